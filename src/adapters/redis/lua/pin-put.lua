-- Puts the pin of a tool where one of a revision stands, with its journal entry.
-- KEYS[1]  the partition's prefix
-- ARGV     upstream, tool, revision that must stand ('0' = there is none), name of this write, the pin's revision, the pin (JSON), the texts of
--          its definitions (JSON), the entry's time and facts
-- Answers  'ok' or 'stale'
local prefix, upstream, tool = KEYS[1], ARGV[1], ARGV[2]
local name = prefix .. 'pins:' .. upstream
local stored = redis.call('HGET', name, 'r:' .. tool)
local revision, op = '0', ''
if stored then revision, op = string.match(stored, '^(%d+) (.*)$') end
-- A resend.
if op == ARGV[4] then return 'ok' end
if revision ~= ARGV[3] then return 'stale' end
local seq = redis.call('INCR', prefix .. 'seq')
redis.call('XADD', prefix .. 'journal', string.format('%.0f-0', seq), ARGV[8], ARGV[9])
redis.call('HSET', name, 'p:' .. tool, ARGV[6], 'r:' .. tool, ARGV[5] .. ' ' .. ARGV[4])
redis.call('HINCRBY', name, 'n', 1)
redis.call('HSET', prefix .. 'pintexts:' .. upstream, 't:' .. tool, ARGV[7])
return 'ok'
