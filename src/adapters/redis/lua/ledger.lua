-- Begins every script that changes what a partition counts. What is read is kept, so that many calls in one script read a thing once, and
-- nothing is written before commit(): what a script has written stays written when a later line of it fails.
-- KEYS[1]  the partition's prefix
-- ARGV[1]  JSON array of the percentages at which limits are reported, in rising order
-- What is asked for often is a local: the names of Redis and of Lua are looked up in two tables at each use.
local call, args, sub, find, ceil, fmod = redis.call, ARGV, string.sub, string.find, math.ceil, math.fmod
local prefix = KEYS[1]
local thresholds = cjson.decode(args[1])
-- Sums beyond this are not exact.
local countableMax = 9007199254740991
-- As in domain/counters.ts.
local windowsKept = 3
local counters, touched, accounts, reservations, entries = {}, {}, {}, {}, {}
local due, finished, known, held, ended = {}, {}, {}, {}, {}
local plans, names, loaded = {}, {}, {}

-- What commit() writes to without having read it is looked at before anything is written: a name that is taken by another type fails a script
-- that has done nothing yet, and so can be run again.
redis.call('ZCARD', prefix .. 'due')
redis.call('XLEN', prefix .. 'journal')
if not string.match(redis.call('GET', prefix .. 'seq') or '0', '^%d+$') then error('the number of the last journal entry is no number') end

-- `%d` costs half of what `%.0f` does, and is as exact where the server's long has 64 bits.
local wholeForm = string.format('%d', 4294967296) == '4294967296' and '%d' or '%.0f'

-- tostring and cjson.encode write 1e+15 for what this writes in full.
local function whole(number)
  return string.format(wholeForm, number)
end

-- An entry of the journal: time, facts and mark, of which one of the last two may be absent. Times are texts everywhere, as the gateway wrote them.
local function journal(now, facts, mark)
  local at = #entries
  entries[at + 1], entries[at + 2], entries[at + 3] = now, facts or false, mark or false
end

local function nameOfReservation(id)
  local name = names[id]
  if not name then
    name = prefix .. 'res:' .. id
    names[id] = name
  end
  return name
end

-- The state of a reservation (h held, c captured by its expiry, s settled, r refused) and its text; nil where none is known. A text is the state,
-- followed where it is held by its owner; then, in lines of their own, its plan and its intent, or the answer that refused it.
local function reservation(id)
  local text = reservations[id]
  if text == nil then
    text = call('GET', nameOfReservation(id))
    reservations[id] = text
  end
  if not text then return nil end
  return sub(text, 1, 1), text
end

local function namesOf(ids)
  local all = {}
  for at = 1, #ids do all[at] = nameOfReservation(ids[at]) end
  return unpack(all)
end

-- Reads reservations that the script is about to ask for, in one command for all. One that is not there, or is of another type, is asked for by
-- itself, and then the server says so.
local function readReservations(ids)
  if #ids == 0 then return end
  local texts = call('MGET', namesOf(ids))
  for at = 1, #ids do reservations[ids[at]] = texts[at] or nil end
end

-- Where none of these stands anywhere, as is usual for calls to be admitted, it is not asked for one by one.
local function knowNew(ids)
  if #ids == 0 or call('EXISTS', namesOf(ids)) > 0 then return end
  for at = 1, #ids do reservations[ids[at]] = false end
end

-- A plan from its text. Calls of one key have the same, and it is never written to.
local function planOf(text)
  local plan = plans[text]
  if not plan then
    plan = cjson.decode(text)
    plans[text] = plan
  end
  return plan
end

-- Where the second line of a reservation's text, its plan, begins and ends. No pattern: those read byte by byte.
local function planBounds(text)
  local from = find(text, '\n', 1, true) + 1
  return from, (find(text, '\n', from, true) or #text + 1) - 1
end

-- Kept for ever, or for so many ms of the server's own time: remembering one for too long does no harm, forgetting it too early would.
local function keepReservation(id, text, ms)
  reservations[id] = text
  local into = ms and ended or held
  into[#into + 1] = nameOfReservation(id)
  into[#into + 1] = text
  into[#into + 1] = ms
end

-- Reads the counters that these takings name, where they are not here yet. A taking is { holder, counter, start, end or 0, amount, settling,
-- and for each limit its amount, 1 where it is soft, its name }. A counter is a list of windows, newest first, four members for each: start,
-- spent, held, and what was told of limits (name to percentage) or 0. Tables in tables would cost more than all the rest.
local function load(takings)
  if loaded[takings] then return end
  loaded[takings] = true
  local wanted = {}
  for at = 1, #takings do
    local holder, counter = takings[at][1], takings[at][2]
    local book = counters[holder]
    if not book then
      book = {}
      counters[holder] = book
    end
    if book[counter] == nil then
      book[counter] = false
      local some = wanted[holder]
      if some then some[#some + 1] = counter else wanted[holder] = { counter } end
    end
  end
  for holder, some in pairs(wanted) do
    local texts = call('HMGET', prefix .. 'count:' .. holder, unpack(some))
    for at, counter in ipairs(some) do
      if texts[at] then counters[holder][counter] = cjson.decode(texts[at]) end
    end
  end
end

-- The windows of a taking's counter, false where nobody has counted yet or the key was deleted; and the place of its window, where there is one.
local function windowOf(taking)
  local windows, start = counters[taking[1]][taking[2]], taking[3]
  if windows then
    for at = 1, #windows, 4 do
      if windows[at] == start then return windows, at end
    end
  end
  return windows, nil
end

local function standing(taking)
  local windows, at = windowOf(taking)
  if at then return windows[at + 1], windows[at + 2] end
  return 0, 0
end

-- As windowOf, for writing: the window is there afterwards.
local function touch(taking)
  local holder, counter, start = taking[1], taking[2], taking[3]
  local changed = touched[holder]
  if not changed then
    changed = {}
    touched[holder] = changed
  end
  local starts = changed[counter]
  if not starts then
    starts = {}
    changed[counter] = starts
  end
  starts[start] = true
  local windows, found = windowOf(taking)
  if found then return windows, found end
  if not windows then
    windows = {}
    counters[holder][counter] = windows
  end
  local at = 1
  while windows[at] and windows[at] > start do at = at + 4 end
  for step, member in ipairs({ start, 0, 0, 0 }) do table.insert(windows, at + step - 1, member) end
  return windows, at
end

-- What stands against the limit whose members begin at `at`, as members of a mark.
local function standingText(taking, at, spent, held)
  local unit = taking[6] == 'at-once' and 'calls' or 'micros'
  local reset = taking[4] > 0 and ',"resetAt":' .. whole(taking[4]) or ''
  return '"limitName":' .. cjson.encode(taking[at + 2]) .. ',"unit":"' .. unit .. '","limit":' .. whole(taking[at])
    .. ',"spent":' .. whole(spent) .. ',"held":' .. whole(held) .. reset
end

-- Records that a limit has come this far, where nothing as high was recorded in this window.
local function tell(taking, limit, threshold, now)
  local windows, at = touch(taking)
  local told = windows[at + 3]
  if told == 0 then
    told = {}
    windows[at + 3] = told
  end
  local name = whole(taking[limit]) .. ' ' .. taking[limit + 2]
  if threshold <= (told[name] or 0) then return end
  told[name] = threshold
  journal(now, nil, '{"is":"threshold","holder":' .. cjson.encode(taking[1]) .. ',"threshold":' .. whole(threshold) .. ',"soft":'
    .. (taking[limit + 1] == 1 and 'true' or 'false') .. ',' .. standingText(taking, limit, windows[at + 1], windows[at + 2]) .. '}')
end

-- The highest threshold that is reached, or 0. Hundredths are taken first, because a limit times a hundred may be beyond 2^53.
local function reached(spent, limit)
  local rest = fmod(limit, 100)
  local hundredth = (limit - rest) / 100
  for at = #thresholds, 1, -1 do
    local threshold = thresholds[at]
    -- What is below without the rest is below with it.
    local least = hundredth * threshold
    if spent >= least and spent >= least + ceil(rest * threshold / 100) then return threshold end
  end
  return 0
end

-- Never below zero: a counter that a failover has set back may lack what is given back here.
local function add(taking, spent, held, now)
  local windows, at = touch(taking)
  local spentNow, heldNow = windows[at + 1] + spent, windows[at + 2] + held
  windows[at + 1] = spentNow > 0 and spentNow or 0
  windows[at + 2] = heldNow > 0 and heldNow or 0
  if not (spent > 0) then return end
  for limit = 7, #taking, 3 do
    local threshold = reached(windows[at + 1], taking[limit])
    if threshold > 0 then tell(taking, limit, threshold, now) end
  end
end

-- An account that does not exist has revision 0 and covers nothing.
local function accountOf(id)
  local account = accounts[id]
  if not account then
    local stored = call('HMGET', prefix .. 'account:' .. id, 'balance', 'held', 'rev')
    account = { balance = tonumber(stored[1] or '0'), held = tonumber(stored[2] or '0'), revision = tonumber(stored[3] or '0') }
    accounts[id] = account
  end
  return account
end

-- A command may have a few thousand arguments, so many pairs are written in several.
local function setAll(name, fields)
  for at = 1, #fields, 2000 do
    call('HSET', name, unpack(fields, at, math.min(at + 1999, #fields)))
  end
end

local function windowsText(windows, counted)
  local texts = {}
  for at = 1, #windows, 4 do
    if at <= 4 * windowsKept or counted[windows[at]] or windows[at + 2] > 0 then
      local told = windows[at + 3]
      texts[#texts + 1] = whole(windows[at]) .. ',' .. whole(windows[at + 1]) .. ',' .. whole(windows[at + 2]) .. ','
        .. (told == 0 and '0' or cjson.encode(told))
    end
  end
  return '[' .. table.concat(texts, ',') .. ']'
end

-- The journal comes first: where the server takes no more writes, it says so at the first one.
local function commit()
  local count = #entries / 3
  if count > 0 then
    local name = prefix .. 'journal'
    local seq = call('INCRBY', prefix .. 'seq', count) - count
    for at = 1, count do
      local now, facts, mark = entries[3 * at - 2], entries[3 * at - 1], entries[3 * at]
      local id = whole(seq + at) .. '-0'
      if not mark then
        call('XADD', name, id, 't', now, 'f', facts)
      elseif facts then
        call('XADD', name, id, 't', now, 'f', facts, 'm', mark)
      else
        call('XADD', name, id, 't', now, 'm', mark)
      end
    end
  end
  -- A lease may end with thousands of calls that run.
  for at = 1, #due, 2000 do
    call('ZADD', prefix .. 'due', unpack(due, at, math.min(at + 1999, #due)))
  end
  if #finished > 0 then call('ZREM', prefix .. 'due', unpack(finished)) end
  for holder, changed in pairs(touched) do
    local fields = {}
    for counter, counted in pairs(changed) do
      fields[#fields + 1] = counter
      fields[#fields + 1] = windowsText(counters[holder][counter], counted)
    end
    setAll(prefix .. 'count:' .. holder, fields)
  end
  for holder, fields in pairs(known) do setAll(prefix .. 'totals:' .. holder, fields) end
  for id, account in pairs(accounts) do
    if account.changed then
      call('HSET', prefix .. 'account:' .. id, 'balance', whole(account.balance), 'held', whole(account.held))
    end
  end
  for at = 1, #held, 2000 do call('MSET', unpack(held, at, math.min(at + 1999, #held))) end
  for at = 1, #ended, 3 do call('SET', ended[at], ended[at + 1], 'PX', ended[at + 2]) end
end
