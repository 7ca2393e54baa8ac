-- Takes a duty, keeps it, or lets it go.
-- KEYS[1]  the duty's holder
-- ARGV     who asks, for how long (ms; '0' = let it go)
-- Answers  1 where the asker has the duty, or had it and let it go
local holder = redis.call('GET', KEYS[1])
if ARGV[2] == '0' then
  if holder ~= ARGV[1] then return 0 end
  return redis.call('DEL', KEYS[1])
end
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
