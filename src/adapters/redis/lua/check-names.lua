-- KEYS[1]: begins every name of a partition. ARGV: pairs of a name under it and the type that it has where it exists.
-- Answers what is wrong, in words, or an empty string. Nothing stays behind.
local prefix = KEYS[1]

for at = 1, #ARGV, 2 do
  local name = prefix .. ARGV[at]
  local found = redis.call('TYPE', name)['ok']
  if found ~= 'none' and found ~= ARGV[at + 1] then
    return 'the name ' .. name .. ' is taken by a value of type ' .. found .. ' where ' .. ARGV[at + 1] .. ' belongs'
  end
end

-- One of each command that the scripts of the ledger use, so that an access list that lacks one is found before money depends on it.
-- The first is one that a full server refuses: after any write that it allows, it lets the rest of a script pass.
local probe = prefix .. 'probe'
local tried = {
  { 'SET', probe, '1', 'PX', '1000' }, { 'GET', probe }, { 'INCR', probe }, { 'INCRBY', probe, '1' }, { 'EXISTS', probe },
  { 'PEXPIRE', probe, '1000' }, { 'PTTL', probe }, { 'DEL', probe },
  { 'HSET', probe, 'a', '1' }, { 'HMGET', probe, 'a' }, { 'HGET', probe, 'a' }, { 'HGETALL', probe }, { 'HINCRBY', probe, 'a', '1' },
  { 'HSETNX', probe, 'b', '1' }, { 'HEXISTS', probe, 'a' }, { 'HLEN', probe }, { 'HDEL', probe, 'b' }, { 'DEL', probe },
  { 'ZADD', probe, '1', 'a' }, { 'ZSCORE', probe, 'a' }, { 'ZCARD', probe }, { 'ZRANGE', probe, '0', '1' },
  { 'ZRANGEBYSCORE', probe, '0', '1', 'LIMIT', '0', '1' }, { 'ZREM', probe, 'a' }, { 'DEL', probe },
  { 'XADD', probe, '1-0', 'a', '1' }, { 'XRANGE', probe, '-', '+' }, { 'XREVRANGE', probe, '+', '-' }, { 'XLEN', probe },
  { 'XREAD', 'STREAMS', probe, '0' }, { 'XTRIM', probe, 'MINID', '0' }, { 'XDEL', probe, '1-0' }, { 'DEL', probe },
  { 'TIME' },
}
for _, command in ipairs(tried) do
  local answer = redis.pcall(unpack(command))
  if type(answer) == 'table' and answer['err'] then
    redis.pcall('DEL', probe)
    return command[1] .. ' is refused: ' .. answer['err']
  end
end
return ''
