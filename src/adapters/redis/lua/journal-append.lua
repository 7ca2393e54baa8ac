-- KEYS[1] the partition's prefix. ARGV: time, facts.
local seq = redis.call('INCR', KEYS[1] .. 'seq')
redis.call('XADD', KEYS[1] .. 'journal', string.format('%.0f-0', seq), ARGV[1], ARGV[2])
return seq
