-- Captures holds of one partition: those that are due, or those that are named and still held.
-- ARGV  thresholds, time, how long a captured hold can be corrected (ms), how many due ones to leave out at the front, how many to take at most;
--       then the ids, or none for those that are due
-- Answers  how many were captured, and how many were looked at
local now, capturedMsKept = ARGV[2], ARGV[3]

local ids = {}
for at = 6, #ARGV do ids[#ids + 1] = ARGV[at] end
if #ids == 0 then ids = redis.call('ZRANGEBYSCORE', prefix .. 'due', '-inf', now, 'LIMIT', ARGV[4], ARGV[5]) end

local captured = 0
for _, id in ipairs(ids) do
  local state, text = reservation(id)
  if state == 'h' then
    local from, to = planBounds(text)
    local planText, intent = string.sub(text, from, to), string.sub(text, to + 2)
    local plan = planOf(planText)
    load(plan.takings)
    local charges = {}
    for at, taking in ipairs(plan.takings) do
      if taking[6] ~= 'at-once' then charges[at] = expired(plan, taking) end
    end
    local charge = plan.none and 0 or plan.price
    journal(now, intent, '{"is":"expired","keyId":' .. cjson.encode(plan.key) .. ',"reservationId":' .. cjson.encode(id) .. ',"charged":'
      .. whole(charge) .. '}')
    finish(plan, false, charge, charges, now)
    keepReservation(id, 'c\n' .. planText, capturedMsKept)
    captured = captured + 1
  end
  finished[#finished + 1] = id
end
commit()
return { captured, #ids }
