-- Has a pointer lead to its target, unless it leads elsewhere.
-- KEYS[1]  the pointer
-- ARGV     the target
-- Answers  1 where it leads to the target now
if redis.call('SET', KEYS[1], ARGV[1], 'NX') then return 1 end
return redis.call('GET', KEYS[1]) == ARGV[1] and 1 or 0
