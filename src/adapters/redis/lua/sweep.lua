-- Captures holds of one partition: those that are due, or those that are named and still held.
-- ARGV  thresholds, time, how long a captured hold can be corrected (ms), how long the answer of a call that has ended is known (ms), how many due
--       ones to leave out at the front, how many to take at most; then the ids, or none for those that are due
-- Answers  how many were captured, and how many were looked at
local now, capturedMsKept, endedMsKept = args[2], args[3], args[4]

local ids = {}
for at = 7, #args do ids[#ids + 1] = args[at] end
if #ids == 0 then ids = call('ZRANGEBYSCORE', prefix .. 'due', '-inf', now, 'LIMIT', args[5], args[6]) end

readHolds(ids)
local ending, intents = {}, {}
for _, id in ipairs(ids) do
  if states[id] == 'h' then
    ending[#ending + 1], intents[#intents + 1] = id, ' ' .. id
  end
  drop(id)
end
local stored = #ending > 0 and call('HMGET', prefix .. 'holds', unpack(intents))
for nth, id in ipairs(ending) do
  local text, intent = texts[id], stored[nth]
  local plan = planOfHold(text)
  if not intent then error('the intent of a hold is missing') end
  load(plan.takings)
  local charges = {}
  for at, taking in ipairs(plan.takings) do
    if taking[6] ~= 'at-once' then charges[at] = expired(plan, taking) end
  end
  local charge = plan.none and 0 or plan.price
  journal(now, intent, '{"is":"expired","keyId":' .. cjson.encode(plan.key) .. ',"reservationId":' .. cjson.encode(id) .. ',"charged":'
    .. whole(charge) .. '}')
  finish(plan, false, charge, charges, now)
  keepEnded(id, 'c', endedMsKept)
  -- What a settle that comes late needs.
  local at = #captured
  captured[at + 1], captured[at + 2], captured[at + 3] = prefix .. 'captured:' .. id, sub(text, find(text, '\n', 1, true) + 1), capturedMsKept
end
commit()
return { #ending, #ids }
