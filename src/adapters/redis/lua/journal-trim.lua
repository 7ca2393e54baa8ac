-- KEYS[1] the partition's prefix. ARGV: the last sealed sequence number, fingerprint of its entry.
-- After a failover the same numbers may stand for other entries, which are not sealed yet. Numbers are given out in order, so where the last
-- one is the entry that was sealed, all before it are.
local stream = KEYS[1] .. 'journal'
local last = redis.call('XRANGE', stream, ARGV[1] .. '-0', ARGV[1] .. '-0')[1]
if not last then return 0 end
local fields = {}
for at = 1, #last[2], 2 do fields[last[2][at]] = last[2][at + 1] end
local text = (fields.t or '') .. '\n' .. (fields.f or '') .. '\n' .. (fields.m or '')
if redis.sha1hex(text) ~= ARGV[2] then return 0 end
return redis.call('XTRIM', stream, 'MINID', string.format('%.0f-0', tonumber(ARGV[1]) + 1))
