-- Puts a key record where none is, or in place of the one of a revision, with its journal entry.
-- KEYS[1]  the partition's prefix
-- ARGV     id, revision to replace ('' = the key must be new), name of this write, deadline (ms of this server's clock, '' = none),
--          then the record's revision, time of revocation and of expiry (ms, '' = never) and JSON, then the entry's time and facts,
--          then pairs of an id and the revision at which that key must stand
-- Answers  'ok', 'late', 'exists', 'missing', 'stale' (another revision stands), or 'line' (one of the pairs is not so)
local prefix = KEYS[1]
local name = prefix .. 'key:' .. ARGV[1]
local stored = redis.call('HMGET', name, 'rev', 'op')
-- Sent twice because the answer to the first was lost.
if stored[2] == ARGV[3] then return 'ok' end
if ARGV[4] ~= '' then
  local time = redis.call('TIME')
  -- So written, a deadline that is no number refuses.
  if not (time[1] * 1000 + math.floor(time[2] / 1000) <= tonumber(ARGV[4])) then return 'late' end
end
if ARGV[2] == '' then
  if stored[1] then return 'exists' end
elseif not stored[1] then
  return 'missing'
elseif stored[1] ~= ARGV[2] then
  return 'stale'
end
for at = 11, #ARGV, 2 do
  if redis.call('HGET', prefix .. 'key:' .. ARGV[at], 'rev') ~= ARGV[at + 1] then return 'line' end
end
local seq = redis.call('INCR', prefix .. 'seq')
redis.call('XADD', prefix .. 'journal', string.format('%.0f-0', seq), ARGV[9], ARGV[10])
local fields = { 'rev', ARGV[5], 'record', ARGV[8], 'op', ARGV[3] }
if ARGV[6] ~= '' then
  fields[#fields + 1] = 'revoked'
  fields[#fields + 1] = ARGV[6]
end
if ARGV[7] ~= '' then
  fields[#fields + 1] = 'expires'
  fields[#fields + 1] = ARGV[7]
end
redis.call('DEL', name)
redis.call('HSET', name, unpack(fields))
return 'ok'
