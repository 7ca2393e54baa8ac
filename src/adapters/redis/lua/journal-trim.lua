-- KEYS[1] the partition's prefix. ARGV: the last sealed sequence number, fingerprint of its entry.
-- After a failover the same numbers may stand for other entries, which are not sealed yet. Numbers are given out in order, so where the last
-- one is the entry that was sealed, all before it are. Rows are sealed as a whole.
local stream = KEYS[1] .. 'journal'
local row = redis.call('XREVRANGE', stream, ARGV[1], '-', 'COUNT', '1')[1]
if not row then return 0 end
local first, more = string.match(row[1], '^(%d+)-(%d+)$')
if tonumber(first) + tonumber(more) ~= tonumber(ARGV[1]) then return 0 end
local fields = row[2]
local mark, at = '', #fields - 1
if fields[at] == 'm' then mark, at = fields[at + 1], at - 2 end
if redis.sha1hex(fields[at] .. '\n' .. fields[at + 1] .. '\n' .. mark) ~= ARGV[2] then return 0 end
return redis.call('XTRIM', stream, 'MINID', string.format('%.0f-0', tonumber(ARGV[1]) + 1))
