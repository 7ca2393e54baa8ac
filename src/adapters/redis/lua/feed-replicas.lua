-- Who serves from this store, and how far each has come. Replicas that were silent for too long are forgotten.
-- KEYS[1]  the hash of replicas
-- ARGV     silence after which a replica is forgotten (ms)
-- Answers  name, silence in ms and id of the last entry acted on, for each, as text
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local answer = {}
local rows = redis.call('HGETALL', KEYS[1])
for at = 1, #rows, 2 do
  local heard, acted = string.match(rows[at + 1], '^(%d+) (.*)$')
  local silence = now - (tonumber(heard) or 0)
  if silence <= tonumber(ARGV[1]) then
    answer[#answer + 1] = rows[at]
    answer[#answer + 1] = string.format('%.0f', silence)
    answer[#answer + 1] = acted
  else
    redis.call('HDEL', KEYS[1], rows[at])
  end
end
return answer
