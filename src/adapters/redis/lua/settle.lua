-- Ends a reservation, for acts.lua.

-- What the hard limits of a counter still let through. Nothing where its window was dropped: nobody knows any more what was spent there.
local function roomFor(taking)
  local windows, at = windowOf(taking)
  if not windows then return math.huge end
  if not at then return 0 end
  local room, taken = math.huge, windows[at + 1] + windows[at + 2]
  for limit = 7, #taking, 3 do
    if taking[limit + 1] ~= 1 then room = math.min(room, math.max(0, taking[limit] - taken)) end
  end
  return room
end

local function raised(from, to, room)
  if to <= from then return to end
  return math.min(to, from + room)
end

-- What a settle that comes after the expiry may charge. Downward it goes as it likes; upward, where the expiry charged nothing, as far as every
-- limit and the balance have room by now: others may have used what was given back.
local function fitting(plan, charge)
  local before = plan.none and 0 or plan.price
  if charge <= before then return charge end
  local room = math.huge
  if plan.account then
    local account = accountOf(plan.account)
    room = math.max(0, account.balance - account.held)
  end
  for _, taking in ipairs(plan.takings) do
    if taking[6] == 'by-charge' then room = math.min(room, roomFor(taking)) end
  end
  return raised(before, charge, room)
end

local function settle(id, charge, released, now, outcome)
  local state, text = reservation(id)
  if state == 's' then return 'settled' end
  if (state ~= 'h' and state ~= 'c') or not text then return 'unknown' end
  local late = state == 'c'
  local plan = late and planOf(text) or planOfHold(text)
  -- So written, what is no number is refused.
  if not (charge and charge >= 0 and charge <= plan.price and charge == math.floor(charge)) then return 'beyond ' .. whole(plan.price) end
  local takings = plan.takings
  load(takings)
  if late then charge = fitting(plan, charge) end
  local charges = {}
  for at = 1, #takings do
    local settling = takings[at][6]
    if settling == 'by-charge' then
      charges[at] = charge
    elseif settling == 'by-share' then
      charges[at] = released and 0 or takings[at][5]
    end
  end
  journal(now, outcome, late and '{"is":"corrected","charged":' .. whole(charge) .. '}')
  finish(plan, late, charge, charges, now)
  keepEnded(id, 's', endedMsKept)
  if late then corrected[#corrected + 1] = prefix .. 'captured:' .. id else drop(id) end
  return 'settled'
end
