-- Keeps a value under a name where there is none.
-- KEYS[1]  the hash
-- ARGV     name and value
-- Answers  what is kept
redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])
return redis.call('HGET', KEYS[1], ARGV[1])
