-- Says that a replica lives and what it has acted on, and what the feed holds.
-- KEYS[1]  the stream of changes   KEYS[2]  the hash of replicas
-- ARGV     the replica's name ('' = this process is none), id of the last entry that it has acted on
-- Answers  the ids of the feed's oldest and newest entries, '' where it has none
if ARGV[1] ~= '' then
  local time = redis.call('TIME')
  local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
  redis.call('HSET', KEYS[2], ARGV[1], now .. ' ' .. ARGV[2])
end
if redis.call('EXISTS', KEYS[1]) == 0 then return { '', '' } end
local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
return { oldest[1] and oldest[1][1] or '', newest[1] and newest[1][1] or '' }
