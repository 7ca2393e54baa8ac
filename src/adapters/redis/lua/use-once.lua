-- Remembers a one-time id.
-- KEYS[1]  its name
-- ARGV     how long (ms)
-- Answers  1 where it was not known
return redis.call('SET', KEYS[1], '1', 'PX', ARGV[1], 'NX') and 1 or 0
