-- Leases of a partition, as lease-acts.lua uses them: follows ledger.lua. A lease holds several calls of one key line at once, in every counter
-- and on the balance. It is a hash: terms, plan, owner, how many calls were drawn and have ended, what those were charged, closed, and each
-- call by its reservation id behind a colon.
-- ARGV  thresholds, owner of the leases, how long a closed lease is known (ms)
local owner, closedMsKept = ARGV[2], ARGV[3]
local leases, lines = {}, {}
redis.call('ZCARD', prefix .. 'leases')
redis.call('HLEN', prefix .. 'holds')
if not string.match(call('GET', prefix .. 'seq') or '0', '^%d+$') then error('the number of the last journal entry is no number') end

local function nameOf(lease)
  return prefix .. 'lease:' .. lease.id
end

-- `terms` is calls, first and last moment, price, account or '', its revision, then id and revision of each key of the line. A lease that is not
-- there has none. `calls` is by reservation id: end of hold and intent of a call that runs, '' of one that was settled, 'm' of one that became
-- an ordinary hold.
local function readLease(id, ids)
  local fields = { 'terms', 'drawn', 'ended', 'charged', 'closed' }
  for _, call in ipairs(ids) do fields[#fields + 1] = ':' .. call end
  local stored = redis.call('HMGET', prefix .. 'lease:' .. id, unpack(fields))
  local lease = { id = id, calls = {}, written = {}, closed = stored[5] == '1' }
  for at, call in ipairs(ids) do lease.calls[call] = stored[at + 5] end
  if stored[1] then
    lease.terms = cjson.decode(stored[1])
    lease.drawn, lease.ended, lease.charged = tonumber(stored[2]), tonumber(stored[3]), tonumber(stored[4])
  end
  return lease
end

local function writeCall(lease, id, text)
  lease.calls[id], lease.written[id], lease.changed = text, text, true
end

-- Whether every key lives and is as it was judged. Why not is for the ordinary admit to say.
local function lives(line, from, now)
  for at = from, #line, 2 do
    local key = lines[line[at]]
    if not key then
      key = redis.call('HMGET', prefix .. 'key:' .. line[at], 'rev', 'revoked', 'expires')
      lines[line[at]] = key
    end
    if not key[1] or tonumber(key[1]) ~= line[at + 1] or key[2] then return false end
    if key[3] and not (tonumber(now) < tonumber(key[3])) then return false end
  end
  return true
end

local function runs(lease, id)
  local text = lease.calls[id]
  return text and text ~= '' and text ~= 'm'
end

-- Ids of the calls that run. Asked for one by one where the sender knows them: a lease may hold thousands of fields.
local function running(lease, act)
  local open = lease.drawn - lease.ended
  local found = {}
  if open == 0 then return found end
  for at = 5, #act do
    local id = act[at]
    if lease.calls[id] == nil then lease.calls[id] = redis.call('HGET', nameOf(lease), ':' .. id) end
    if runs(lease, id) then found[#found + 1] = id end
  end
  if #found == open then return found end
  local all = redis.call('HGETALL', nameOf(lease))
  for at = 1, #all, 2 do
    local id = string.match(all[at], '^:(.*)$')
    if id and lease.calls[id] == nil then lease.calls[id] = all[at + 1] end
  end
  found = {}
  for id in pairs(lease.calls) do
    if runs(lease, id) then found[#found + 1] = id end
  end
  return found
end

local function close(lease, now, act)
  if lease.closed then return 'closed' end
  lease.closing = true
  if not lease.terms then return 'closed' end
  local stored = lease.made and { lease.made.plan, lease.made.owner } or redis.call('HMGET', nameOf(lease), 'plan', 'owner')
  local planText, holder = stored[1], stored[2]
  local plan = cjson.decode(planText)
  load(plan.takings)
  local open = running(lease, act)
  local over = lease.terms[1] - #open
  for _, taking in ipairs(plan.takings) do
    -- Keys that were deleted since have nothing to give back to.
    if windowOf(taking) then
      if taking[6] == 'at-once' then
        add(taking, lease.drawn * taking[5], -lease.terms[1] * taking[5], now)
      else
        add(taking, lease.charged, -over * taking[5], now)
      end
    end
  end
  if plan.account and plan.price > 0 then
    local account = accountOf(plan.account)
    if account.revision ~= 0 then
      account.balance = account.balance - lease.charged
      account.held, account.changed = math.max(0, account.held - over * plan.price), true
    end
  end
  for _, id in ipairs(open) do
    local holdUntil, intent = string.match(lease.calls[id], '^(%S+)\n(.*)$')
    hold(id, holder .. '\n' .. planText, intent, holdUntil)
    writeCall(lease, id, 'm')
  end
  lease.closed, lease.changed = true, true
  return 'closed'
end

-- The leases come first: whatever is written, one of them is, and by a command that a full server refuses.
local function commitLeases()
  for _, lease in pairs(leases) do
    if lease.changed then
      local fields = { 'drawn', whole(lease.drawn), 'ended', whole(lease.ended), 'charged', whole(lease.charged) }
      if lease.closed then fields[7], fields[8] = 'closed', '1' end
      local made = lease.made
      if made then
        for field, text in pairs({ plan = made.plan, owner = made.owner, terms = made.terms }) do
          fields[#fields + 1] = field
          fields[#fields + 1] = text
        end
      end
      for id, text in pairs(lease.written) do
        fields[#fields + 1] = ':' .. id
        fields[#fields + 1] = text
      end
      inParts('HSET', nameOf(lease), fields)
      if made and not lease.closing then redis.call('ZADD', prefix .. 'leases', made.sweepAt, lease.id) end
    end
  end
  commit()
  for _, lease in pairs(leases) do
    if lease.closing then
      redis.call('ZREM', prefix .. 'leases', lease.id)
      redis.call('PEXPIRE', nameOf(lease), closedMsKept)
    end
  end
end
