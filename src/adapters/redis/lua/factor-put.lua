-- Puts a second factor where one of a revision stands, with its journal entry.
-- KEYS[1]  the partition's prefix
-- ARGV     key id, revision that must stand ('0' = there is none), name of this write, the factor's revision and JSON,
--          the entry's time and facts
-- Answers  'ok', 'missing' (there is no such key) or 'stale'
local prefix, id = KEYS[1], ARGV[1]
local name = prefix .. 'factor:' .. id
local stored = redis.call('HMGET', name, 'rev', 'op')
-- A resend. Equal contents are not enough to know one by: two replicas that take one code at the same moment write the same.
if stored[2] == ARGV[3] then return 'ok' end
if redis.call('EXISTS', prefix .. 'key:' .. id) == 0 then return 'missing' end
if (stored[1] or '0') ~= ARGV[2] then return 'stale' end
local seq = redis.call('INCR', prefix .. 'seq')
redis.call('XADD', prefix .. 'journal', string.format('%.0f-0', seq), ARGV[6], ARGV[7])
redis.call('HSET', name, 'rev', ARGV[4], 'factor', ARGV[5], 'op', ARGV[3])
return 'ok'
