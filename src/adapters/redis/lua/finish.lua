-- What ends a hold, for settle.lua and sweep.lua.

local function shares(taking)
  return taking[6] == 'by-share'
end

-- What an expiry charges the counter of a taking: the price, or nothing where the call was admitted so. Shares are spent either way, because the
-- upstream may have done what the arguments asked for.
local function expired(plan, taking)
  if shares(taking) then return taking[5] end
  return plan.none and 0 or plan.price
end

-- Takes a reservation from what it holds, or where that is over from what its expiry charged, to what it has spent at last: in every counter
-- that it took from, in the windows of its admit, and in the account that pays. `charges` gives that amount for each taking that is left to
-- end. Windows that were dropped since have nothing to give back to, nor have keys that were deleted.
local function finish(plan, late, charge, charges, now)
  local takings = plan.takings
  for at = 1, #takings do
    local taking, taken = takings[at], charges[at]
    if taken then
      local windows, found = windowOf(taking)
      if windows and (found or not late) then
        if late then add(taking, taken - expired(plan, taking), 0, now) else add(taking, taken, -taking[5], now) end
      end
    end
  end
  if not plan.account or plan.price == 0 then return end
  local account = accountOf(plan.account)
  if account.revision == 0 then return end
  account.balance = account.balance - (late and charge - (plan.none and 0 or plan.price) or charge)
  if not late then account.held = math.max(0, account.held - plan.price) end
  account.changed = true
end
