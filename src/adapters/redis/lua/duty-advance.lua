-- Keeps how far a duty has come; never backwards.
-- KEYS[1]  the duty's progress
-- ARGV     a position, a whole number below 2^53
if not (tonumber(ARGV[1]) > tonumber(redis.call('GET', KEYS[1]) or '0')) then return 0 end
redis.call('SET', KEYS[1], ARGV[1])
return 1
