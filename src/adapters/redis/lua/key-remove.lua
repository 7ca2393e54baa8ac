-- Deletes a key with all that its partition keeps about it except the journal.
-- KEYS[1]  the partition's prefix
-- ARGV     id, revision that must stand, name of this write, deadline (ms of this server's clock), the entry's time and facts,
--          how long a resend of this is known (ms)
-- Answers  'ok', 'late', 'missing' or 'stale'
local prefix, id = KEYS[1], ARGV[1]
local name, gone = prefix .. 'key:' .. id, prefix .. 'gone:' .. id
if redis.call('GET', gone) == ARGV[3] then return 'ok' end
local time = redis.call('TIME')
if not (time[1] * 1000 + math.floor(time[2] / 1000) <= tonumber(ARGV[4])) then return 'late' end
local revision = redis.call('HGET', name, 'rev')
if not revision then return 'missing' end
if revision ~= ARGV[2] then return 'stale' end
local seq = redis.call('INCR', prefix .. 'seq')
redis.call('XADD', prefix .. 'journal', string.format('%.0f-0', seq), ARGV[5], ARGV[6])
redis.call('DEL', name, prefix .. 'count:' .. id, prefix .. 'totals:' .. id, prefix .. 'factor:' .. id)
redis.call('SET', gone, ARGV[3], 'PX', ARGV[7])
return 'ok'
