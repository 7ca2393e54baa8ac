-- Appends records that take nothing.
-- KEYS[1]  the partition's prefix
-- ARGV     for each record its time and its facts (JSON)
-- Answers for each  'recorded'
local prefix = KEYS[1]
local count = #ARGV / 2
local seq = redis.call('INCRBY', prefix .. 'seq', count) - count
redis.call('XADD', prefix .. 'journal', string.format('%.0f-%.0f', seq + 1, count - 1), unpack(ARGV))
local answers = {}
for at = 1, count do answers[at] = 'recorded' end
return table.concat(answers, '\n')
