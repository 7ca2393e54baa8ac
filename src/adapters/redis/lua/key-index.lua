-- Lists a key.
-- KEYS[1]  the index
-- ARGV     the key's id
return redis.call('ZADD', KEYS[1], 0, ARGV[1])
