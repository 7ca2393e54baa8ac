-- Keeps the answer to an attempt that runs, or forgets the attempt. The first answer stands.
-- KEYS[1]  the attempt
-- ARGV     nothing to forget it; else now, when the answer is forgotten (ms, the caller's clock), status, body, how long it is kept here (ms)
local stored = redis.call('HMGET', KEYS[1], 'until', 'status')
if not stored[1] or stored[2] then return 0 end
if #ARGV == 0 then return redis.call('DEL', KEYS[1]) end
-- An attempt that was forgotten by the caller's clock is not remembered anew.
if not (tonumber(ARGV[1]) < tonumber(stored[1])) then return 0 end
redis.call('HSET', KEYS[1], 'until', ARGV[2], 'status', ARGV[3], 'answer', ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return 1
