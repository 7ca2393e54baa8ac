-- Acts on leases of one partition, each for itself, in their order. A lease holds several calls of one key line at once, in every counter and
-- on the balance. A draw turns one of them into a call that runs; what the calls were charged is counted when the lease is closed, what was
-- not drawn is given back then, and calls that still run become ordinary holds. What an act may not do it leaves alone: an ordinary admit or
-- settle decides.
-- ARGV  what lease.lua states; then the acts, each its name and:
--   take    lease, plan of one call (JSON, as plan.ts writes it), time, most calls, end of the lease, when a sweep may close it (all ms)
--           answers 'taken <calls>', 'none', or 'account <revision> <JSON limits>' where the plan counts on other limits of the account
--   draw    lease, reservation id, time, end of the call's hold, intent (JSON)
--           answers 'drawn' (now or before), or 'none'
--   settle  lease, reservation id, charge, time, outcome (JSON)
--           answers 'settled' (now or before), 'ended' where the call is not the lease's any more, or 'beyond <hold>'
--   renew   lease, reservation id, new end of its hold
--           answers 'renewed' or 'ended'
--   close   lease, time, how many ids follow, ids of the calls that run as far as the sender knows
--           answers 'closed' (now or before, or never taken)
local lengths = { take = 7, draw = 6, settle = 6, renew = 4 }
-- Others may come for what is left: a lease takes an eighth of it at most. And what is held counts twice, so that all leases together, however
-- many there are, leave half of what is not spent.
local shareOfRoom = 8

-- So written, what is no number has no room.
local function fewer(calls, amount, left, held)
  local fitting = math.floor((left - 2 * held) / shareOfRoom / amount)
  if fitting >= calls then return calls end
  return fitting
end

-- As many calls as the least room allows, that of soft limits too: what goes beyond those has to be told, call by call.
local function callsFor(plan, most)
  local calls = most
  for _, taking in ipairs(plan.takings) do
    local spent, held = standing(taking)
    if taking[5] > 0 then
      calls = fewer(calls, taking[5], countableMax - spent, held)
      for limit = 7, #taking, 3 do calls = fewer(calls, taking[5], taking[limit] - spent, held) end
    end
  end
  if not plan.account or plan.price == 0 then return calls end
  local account = accountOf(plan.account)
  return fewer(calls, plan.price, account.balance, account.held)
end

local function termsText(plan, calls, last)
  local from = 0
  for _, taking in ipairs(plan.takings) do
    from = math.max(from, taking[3])
    -- A charge belongs to the window of its own call.
    if taking[4] > 0 then last = math.min(last, taking[4]) end
  end
  local texts = { whole(calls), whole(from), whole(last), whole(plan.price), cjson.encode(plan.account or ''), whole(plan.revision or 0) }
  for at = 1, #plan.line, 2 do
    texts[#texts + 1] = cjson.encode(plan.line[at])
    texts[#texts + 1] = whole(plan.line[at + 1])
  end
  return '[' .. table.concat(texts, ',') .. ']'
end

local function take(lease, planText, now, most, last, sweepAt)
  if lease.terms then return 'taken ' .. whole(lease.terms[1]) end
  local plan = cjson.decode(planText)
  local account = plan.account and accountOf(plan.account)
  if account and account.revision ~= plan.revision then
    return 'account ' .. whole(account.revision) .. ' ' .. (redis.call('HGET', prefix .. 'account:' .. plan.account, 'limits') or '')
  end
  if not lives(plan.line, 1, now) then return 'none' end
  load(plan.takings)
  local calls = callsFor(plan, most)
  if not (calls >= 2) then return 'none' end
  -- Calls are held too, and not spent as by an admit: no threshold is reported for what may come back.
  for _, taking in ipairs(plan.takings) do add(taking, 0, calls * taking[5], now) end
  if plan.price > 0 and account then account.held, account.changed = account.held + calls * plan.price, true end
  lease.made = { plan = planText, owner = owner, terms = termsText(plan, calls, last), sweepAt = sweepAt }
  lease.terms = cjson.decode(lease.made.terms)
  lease.drawn, lease.ended, lease.charged, lease.changed = 0, 0, 0, true
  return 'taken ' .. whole(calls)
end

local function draw(lease, id, now, holdUntil, intent)
  if lease.calls[id] then return 'drawn' end
  local terms = lease.terms
  if not terms or lease.closed or not (lease.drawn < terms[1]) then return 'none' end
  local moment = tonumber(now)
  if not (moment >= terms[2] and moment < terms[3]) or not lives(terms, 7, now) then return 'none' end
  if terms[5] ~= '' and accountOf(terms[5]).revision ~= terms[6] then return 'none' end
  journal(now, intent)
  lease.drawn = lease.drawn + 1
  writeCall(lease, id, holdUntil .. '\n' .. intent)
  return 'drawn'
end

local function settle(lease, id, charge, now, outcome)
  if lease.calls[id] == '' then return 'settled' end
  if not lease.terms or not runs(lease, id) then return 'ended' end
  local price = lease.terms[4]
  -- So written, what is no number is refused.
  if not (charge and charge >= 0 and charge <= price and charge == math.floor(charge)) then return 'beyond ' .. whole(price) end
  journal(now, outcome)
  lease.ended, lease.charged, lease.settledAt = lease.ended + 1, lease.charged + charge, now
  writeCall(lease, id, '')
  return 'settled'
end

local function renew(lease, id, holdUntil)
  if not runs(lease, id) then return 'ended' end
  local before, intent = string.match(lease.calls[id], '^(%S+)\n(.*)$')
  if tonumber(before) < tonumber(holdUntil) then writeCall(lease, id, holdUntil .. '\n' .. intent) end
  return 'renewed'
end

local acts, wanted = {}, {}
local at = 4
while at <= #ARGV do
  local length = lengths[ARGV[at]] or 4 + tonumber(ARGV[at + 3])
  local act = {}
  for step = 0, length - 1 do act[step + 1] = ARGV[at + step] end
  acts[#acts + 1] = act
  wanted[act[2]] = wanted[act[2]] or {}
  if act[1] ~= 'take' and act[1] ~= 'close' then table.insert(wanted[act[2]], act[3]) end
  at = at + length
end
for id, ids in pairs(wanted) do leases[id] = readLease(id, ids) end

local answers = {}
for nth, act in ipairs(acts) do
  local lease = leases[act[2]]
  if act[1] == 'take' then
    answers[nth] = take(lease, act[3], act[4], tonumber(act[5]), tonumber(act[6]), act[7])
  elseif act[1] == 'draw' then
    answers[nth] = draw(lease, act[3], act[4], act[5], act[6])
  elseif act[1] == 'settle' then
    answers[nth] = settle(lease, act[3], tonumber(act[4]), act[5], act[6])
  elseif act[1] == 'renew' then
    answers[nth] = renew(lease, act[3], act[4])
  else
    answers[nth] = close(lease, act[3], act)
  end
end
for _, lease in pairs(leases) do
  if lease.settledAt and lease.ended == lease.terms[1] then close(lease, lease.settledAt, {}) end
end

commitLeases()
return table.concat(answers, '\n')
