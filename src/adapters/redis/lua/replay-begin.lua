-- Begins an attempt under an idempotency key, or says what became of the one before.
-- KEYS[1]  the attempt
-- ARGV     hash of the body, now, when the attempt is forgotten (ms, the caller's clock), name of this attempt, how long it is kept here (ms)
-- Answers  'new', 'running', 'mismatch', or 'answered' with status and body
local stored = redis.call('HMGET', KEYS[1], 'body', 'until', 'op', 'status', 'answer')
if stored[1] and tonumber(ARGV[2]) < tonumber(stored[2]) then
  if stored[1] ~= ARGV[1] then return { 'mismatch' } end
  if stored[4] then return { 'answered', stored[4], stored[5] } end
  -- Sent twice because the answer to the first was lost.
  return { stored[3] == ARGV[4] and 'new' or 'running' }
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'body', ARGV[1], 'until', ARGV[3], 'op', ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return { 'new' }
