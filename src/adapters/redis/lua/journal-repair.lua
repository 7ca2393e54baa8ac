-- KEYS[1] the partition's prefix. ARGV: the last sealed sequence number, time, facts of the gap, the number through which entries are dealt with by this,
-- then the entries whose numbers are sealed for others, each its row and its number. Each of those gets a number of its own, and the gap is recorded
-- after them. A row that goes on behind what is sealed stays, and it is noted how far it counts no more. Sent again, it finds nothing left to do.
local stream, counter, noted = KEYS[1] .. 'journal', KEYS[1] .. 'seq', KEYS[1] .. 'moved'
local seq = tonumber(redis.call('GET', counter) or '0')
local sealed, through = tonumber(ARGV[1]), tonumber(ARGV[4])
local done = tonumber(redis.call('GET', noted) or '0')
local moved, rows = {}, {}
for at = 5, #ARGV, 2 do
  local id, number = ARGV[at], tonumber(ARGV[at + 1])
  if rows[id] == nil then rows[id] = redis.call('XRANGE', stream, id, id)[1] or false end
  if rows[id] and number > done then
    local fields, from = rows[id][2], 1
    for _ = 1, number - tonumber(string.match(id, '^%d+')) do from = from + (fields[from + 2] == 'm' and 4 or 2) end
    moved[#moved + 1] = { unpack(fields, from, from + (fields[from + 2] == 'm' and 3 or 1)) }
  end
end
if seq >= sealed and #moved == 0 then return 0 end
if seq < sealed then seq = sealed end
for _, fields in ipairs(moved) do
  seq = seq + 1
  redis.call('XADD', stream, string.format('%.0f-0', seq), unpack(fields))
end
for id, row in pairs(rows) do
  local first, more = string.match(id, '^(%d+)-(%d+)$')
  if row and first + more <= through then redis.call('XDEL', stream, id) end
end
seq = seq + 1
redis.call('XADD', stream, string.format('%.0f-0', seq), ARGV[2], ARGV[3])
redis.call('SET', counter, string.format('%.0f', seq))
if through > done then redis.call('SET', noted, ARGV[4]) end
return #moved + 1
