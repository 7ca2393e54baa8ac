-- Adds an entry to the feed of key changes.
-- KEYS[1]  the stream
-- ARGV     about how many entries are kept, then the entry's fields and values
-- Answers  the entry's id and this server's time in ms, as text. The id's own time runs ahead of the clock where the clock was set back.
local time = redis.call('TIME')
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', unpack(ARGV, 2))
return { id, string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)) }
