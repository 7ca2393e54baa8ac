-- KEYS[1] the partition's prefix. ARGV: the last sealed sequence number, time, facts of the gap, then the ids of entries whose numbers are
-- sealed for others. Each of those gets a number of its own, and the gap is recorded after them. Sent again, it finds nothing left to do.
local stream, counter = KEYS[1] .. 'journal', KEYS[1] .. 'seq'
local seq = tonumber(redis.call('GET', counter) or '0')
local sealed = tonumber(ARGV[1])
local moved = {}
for at = 4, #ARGV do
  local entry = redis.call('XRANGE', stream, ARGV[at], ARGV[at])[1]
  if entry then moved[#moved + 1] = entry end
end
if seq >= sealed and #moved == 0 then return 0 end
if seq < sealed then seq = sealed end
for _, entry in ipairs(moved) do
  seq = seq + 1
  redis.call('XADD', stream, string.format('%.0f-0', seq), unpack(entry[2]))
  redis.call('XDEL', stream, entry[1])
end
seq = seq + 1
redis.call('XADD', stream, string.format('%.0f-0', seq), 't', ARGV[2], 'f', ARGV[3])
redis.call('SET', counter, string.format('%.0f', seq))
return #moved + 1
