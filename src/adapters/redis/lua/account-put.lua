-- Creates an account with nothing in it, or replaces the limits of one, with the journal entry.
-- KEYS[1]  the partition's prefix
-- ARGV     id, revision to replace (0 = the account must be new), JSON of its limits, name of this write, time, facts (JSON)
-- Answers  'ok', or 'other' where another revision stands
local prefix = KEYS[1]
local name = prefix .. 'account:' .. ARGV[1]
local stored = redis.call('HMGET', name, 'rev', 'op')
-- Sent twice because the answer to the first was lost.
if stored[2] == ARGV[4] then return 'ok' end
local revision = stored[1] or '0'
if revision ~= ARGV[2] then return 'other' end
local seq = redis.call('INCR', prefix .. 'seq')
redis.call('XADD', prefix .. 'journal', string.format('%.0f-0', seq), ARGV[5], ARGV[6])
redis.call('HSET', name, 'rev', string.format('%.0f', revision + 1), 'limits', ARGV[3], 'op', ARGV[4])
if revision == '0' then redis.call('HSET', name, 'balance', '0', 'held', '0', 'created', ARGV[5]) end
return 'ok'
