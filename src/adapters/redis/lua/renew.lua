-- Moves the end of a hold later, never earlier.
-- KEYS[1]  the partition's prefix
-- ARGV     reservation id, new end (ms)
-- Answers  1, or 0 where the reservation has ended or was never made
local prefix, id = KEYS[1], ARGV[1]
if redis.call('HEXISTS', prefix .. 'holds', id) == 0 then return 0 end
redis.call('ZADD', prefix .. 'due', 'XX', 'GT', ARGV[2], id)
return 1
