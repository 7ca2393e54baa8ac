-- KEYS[1] the note. ARGV: archive, number and line that the note must have, number and line that it gets.
-- The second fence: of two archives that both took a segment under one number, one alone goes on.
local note = redis.call('HMGET', KEYS[1], 'archive', 'number', 'line')
if not note[1] then
  if ARGV[2] ~= '0' then return 'gone' end
elseif note[1] ~= ARGV[1] then
  return 'other'
elseif note[2] == ARGV[4] and note[3] == ARGV[5] then
  return 'ok'
elseif note[2] ~= ARGV[2] or note[3] ~= ARGV[3] then
  return 'moved'
end
redis.call('HSET', KEYS[1], 'archive', ARGV[1], 'number', ARGV[4], 'line', ARGV[5])
return 'ok'
