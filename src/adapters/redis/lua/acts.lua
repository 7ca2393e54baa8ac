-- Admits and settles calls of one partition, each for itself, in their order.
-- ARGV  thresholds, owner of the holds, how long the answer of a call that has ended is known (ms); how many plans follow, plans (JSON, as plan.ts
--       writes them); then for each act five:
--   number of its plan, reservation id ('' asks only which limit would refuse), time, end of the hold, intent (JSON)
--           answers 'admitted', 'admitted <JSON names of soft limits>', 'stale', 'dead <reason>', 'limited <JSON>', 'account <revision>
--           <JSON limits>' where the account's limits are others than the plan counts on, 'full' where a number could not be counted exactly
--   'settle', or 'release' where nothing was sent, reservation id, time, charge, outcome (JSON)
--           answers 'settled' (now or before), 'unknown', or 'beyond <hold>' where the charge is not within the hold
local planTexts = {}
local first = 5 + tonumber(args[4])
for at = 5, first - 1 do planTexts[whole(at - 4)] = args[at] end

local named, coming = {}, {}
for at = first, #args, 5 do
  local id = args[at + 1]
  if id ~= '' then
    named[#named + 1] = id
    if planTexts[args[at]] then coming[#coming + 1] = id end
  end
end
readHolds(named)
knowNew(coming)

local answers = {}
for at = first, #args, 5 do
  local planText = planTexts[args[at]]
  if planText then
    answers[#answers + 1] = admit(args[at + 1], args[at + 2], args[at + 3], planText, args[at + 4])
  else
    answers[#answers + 1] = settle(args[at + 1], tonumber(args[at + 3]), args[at] == 'release', args[at + 2], args[at + 4])
  end
end
commit()
return table.concat(answers, '\n')
