-- Admits a call, for acts.lua. What it takes was computed from the records that it was judged by; their revisions, checked here, say that these are
-- the stored ones.
local owner, endedMsKept = args[2], args[3]
local reasons = { ['at-once'] = 'CAP_EXCEEDED', ['by-charge'] = 'BUDGET_EXHAUSTED', ['by-share'] = 'POLICY_DENIED' }
local lines, heldTexts = {}, {}

-- 'dead <reason>' or 'stale' where a key of the line is not as it was judged. A missing key comes before a dead one, a dead one before a stale.
local function lineProblem(line, now)
  local dead, stale
  for at = 1, #line, 2 do
    local id = line[at]
    local key = lines[id]
    if not key then
      key = call('HMGET', prefix .. 'key:' .. id, 'rev', 'revoked', 'expires')
      key[4] = tonumber(key[1] or '')
      lines[id] = key
    end
    if not key[1] then return 'dead TOKEN_INVALID' end
    if key[2] then
      dead = dead or 'dead TOKEN_REVOKED'
    elseif key[3] and not (tonumber(now) < tonumber(key[3])) then
      dead = dead or 'dead TOKEN_EXPIRED'
    end
    if key[4] ~= line[at + 1] then stale = 'stale' end
  end
  return dead or stale
end

-- Why the plan cannot be admitted, with the taking and the limit that refused; or nil, and the soft limits that it goes beyond, if any.
local function judge(plan)
  local account = plan.account and accountOf(plan.account)
  if account and account.revision ~= plan.revision then
    return 'account ' .. whole(account.revision) .. ' ' .. (call('HGET', prefix .. 'account:' .. plan.account, 'limits') or '')
  end
  local takings = plan.takings
  load(takings)
  local beyond, seen, full
  for at = 1, #takings do
    local taking = takings[at]
    local spent, held = standing(taking)
    local after = spent + held + taking[5]
    for limit = 7, #taking, 3 do
      -- So written, what is no number has no room.
      if not (after <= taking[limit]) then
        local name = taking[limit + 2]
        if taking[limit + 1] ~= 1 then
          return 'limited {"reason":"' .. reasons[taking[6]] .. '",' .. standingText(taking, limit, spent, held) .. '}', taking, limit
        end
        if not seen then beyond, seen = {}, {} end
        if not seen[name] then
          seen[name] = true
          beyond[#beyond + 1] = name
        end
      end
    end
    if not (after <= countableMax) then full = true end
  end
  if plan.price > 0 and account and not (account.balance - account.held >= plan.price) then
    local name = cjson.encode('account:' .. plan.account .. ' balance')
    return 'limited {"reason":"BALANCE_EXHAUSTED","limitName":' .. name .. ',"unit":"micros","limit":' .. whole(account.balance)
      .. ',"spent":0,"held":' .. whole(account.held) .. '}'
  end
  if full then return 'full' end
  return nil, beyond
end

local function refuse(id, now, intent, answer)
  local reason = string.match(answer, '^dead (.*)$')
  local mark = reason and '{"is":"dead","reason":"' .. reason .. '"}' or '{"is":"limited",' .. sub(answer, #'limited {' + 1)
  journal(now, intent, mark)
  keepEnded(id, 'r\n' .. answer, endedMsKept)
  return answer
end

-- Remembers what the totals of a holder are called, for reports: { holder, counter, JSON, counter, JSON, … }.
local function learn(totals)
  local holder, names = totals[1], {}
  for at = 2, #totals, 2 do names[#names + 1] = totals[at] end
  local texts = call('HMGET', prefix .. 'totals:' .. holder, unpack(names))
  for at, counter in ipairs(names) do
    if texts[at] ~= totals[2 * at + 1] then
      if not known[holder] then known[holder] = {} end
      local fields = known[holder]
      fields[#fields + 1] = counter
      fields[#fields + 1] = totals[2 * at + 1]
    end
  end
end

local function admit(id, now, holdUntil, planText, intent)
  local plan = planOf(planText)
  if id == '' then return (judge(plan)) or 'free' end
  local state, text = reservation(id)
  if state == 'r' then return text end
  if state then return 'admitted' end
  local problem = lineProblem(plan.line, now)
  if problem then return problem == 'stale' and problem or refuse(id, now, intent, problem) end
  local refusal, by, limit = judge(plan)
  if refusal then
    if sub(refusal, 1, 7) ~= 'limited' then return refusal end
    refuse(id, now, intent, refusal)
    if by and #thresholds > 0 then tell(by, limit, 100, now) end
    return refusal
  end
  local beyond = by and cjson.encode(by)
  journal(now, intent, beyond and '{"is":"over","names":' .. beyond .. '}')
  local takings = plan.takings
  for at = 1, #takings do
    local taking = takings[at]
    if taking[6] == 'at-once' then add(taking, taking[5], 0, now) else add(taking, 0, taking[5], now) end
  end
  if plan.price > 0 and plan.account then
    local account = accountOf(plan.account)
    account.held, account.changed = account.held + plan.price, true
  end
  if plan.totals then learn(plan.totals) end
  local heldText = heldTexts[planText]
  if not heldText then
    heldText = owner .. '\n' .. planText
    heldTexts[planText], plans[heldText] = heldText, plan
  end
  hold(id, heldText, intent, holdUntil)
  return beyond and 'admitted ' .. beyond or 'admitted'
end
