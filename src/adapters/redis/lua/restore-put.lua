-- Writes what an import brings, all in one slot. Sent twice, it writes the same again.
-- KEYS[1]  begins every name that is written
-- ARGV     for each write how many arguments follow the command, the command, the rest of the name, then its other arguments
local at = 1
while at <= #ARGV do
  local count = tonumber(ARGV[at])
  redis.call(ARGV[at + 1], KEYS[1] .. ARGV[at + 2], unpack(ARGV, at + 3, at + 1 + count))
  at = at + 2 + count
end
return 'ok'
