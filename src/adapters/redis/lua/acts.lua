-- Admits and settles calls of one partition, each for itself, in their order.
-- ARGV  thresholds, owner of the holds, how long the answer of a call that has ended is known (ms); then for each act six:
--   'admit', reservation id ('' asks only which limit would refuse), time, end of the hold, plan (JSON, as plan.ts writes it), intent (JSON)
--           answers 'admitted', 'admitted <JSON names of soft limits>', 'stale', 'dead <reason>', 'limited <JSON>', 'account <revision>
--           <JSON limits>' where the account's limits are others than the plan counts on, 'full' where a number could not be counted exactly
--   'settle', reservation id, charge, '1' where nothing was sent, time, outcome (JSON)
--           answers 'settled' (now or before), 'unknown', or 'beyond <hold>' where the charge is not within the hold
local coming, ending = {}, {}
for at = 4, #args, 6 do
  local ids = args[at] == 'admit' and coming or ending
  if args[at + 1] ~= '' then ids[#ids + 1] = args[at + 1] end
end
knowNew(coming)
readReservations(ending)

local answers = {}
for at = 4, #args, 6 do
  if args[at] == 'admit' then
    answers[#answers + 1] = admit(args[at + 1], args[at + 2], args[at + 3], args[at + 4], args[at + 5])
  else
    answers[#answers + 1] = settle(args[at + 1], tonumber(args[at + 2]), args[at + 3] == '1', args[at + 4], args[at + 5])
  end
end
commit()
return answers
