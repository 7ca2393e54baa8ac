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
local counters, touched, accounts = {}, {}, {}
local states, texts, plans, loaded, groupNames = {}, {}, {}, {}, {}
local rows, due, finished, known, held, dropped, ended, captured, corrected = {}, {}, {}, {}, {}, {}, {}, {}, {}

-- What commit() writes to without having read it is looked at before anything is written: a name that is taken by another type fails a script
-- that has done nothing yet, and so can be run again.
call('ZCARD', prefix .. 'due')
call('XLEN', prefix .. 'journal')

-- `%d` costs half of what `%.0f` does, and is as exact where the server's long has 64 bits.
local wholeForm = string.format('%d', 4294967296) == '4294967296' and '%d' or '%.0f'

-- tostring and cjson.encode write 1e+15 for what this writes in full.
local function whole(number)
  return string.format(wholeForm, number)
end

-- A record of the journal: time, facts and mark, of which one of the last two may be absent. Times are texts everywhere, as the gateway wrote them.
-- The records of a script are few rows of the stream, of up to rowRecordsMax each: a command may have a few thousand arguments.
local rowRecordsMax = 200
local function journal(now, facts, mark)
  local row = rows[#rows]
  if not row or row.records == rowRecordsMax then
    row = { records = 0 }
    rows[#rows + 1] = row
  end
  row.records = row.records + 1
  local at = #row
  row[at + 1], row[at + 2] = now, facts or ''
  if mark then row[at + 3], row[at + 4] = 'm', mark end
end

-- How reservations ended is kept by the first six characters of their ids, which begin with the time, so that a group is of calls that were admitted
-- within 1.3 seconds; a group is forgotten as a whole.
local function nameOfEnded(id)
  local group = sub(id, 1, 6)
  local name = groupNames[group]
  if not name then
    name = prefix .. 'ended:' .. group
    groupNames[group] = name
  end
  return name
end

local function note(id, state, text)
  states[id], texts[id] = state, text
end

local function noteEnded(id, text)
  note(id, sub(text, 1, 1), #text > 2 and sub(text, 3) or nil)
end

-- The state of a reservation: h held, with its owner and, in a line of its own, its plan; c captured by its expiry, with its plan for as long as that is
-- known; s settled; r refused, with the answer; nil where none is known.
local function reservation(id)
  local state = states[id]
  if state == nil then
    local text = call('HGET', prefix .. 'holds', id)
    if text then
      note(id, 'h', text)
    else
      text = call('HGET', nameOfEnded(id), id)
      note(id, false)
      if text then noteEnded(id, text) end
      if not text or text == 'c' then
        local plan = call('GET', prefix .. 'captured:' .. id)
        if plan then note(id, 'c', plan) end
      end
    end
    state = states[id]
  end
  return state or nil, texts[id]
end

-- Reads the holds that the script is about to ask for in one command for all. What is not held is asked for by itself.
local function readHolds(ids)
  if #ids == 0 then return end
  local found = call('HMGET', prefix .. 'holds', unpack(ids))
  for at = 1, #ids do
    if found[at] then note(ids[at], 'h', found[at]) end
  end
end

-- After readHolds, for calls to be admitted: that nothing is known of them, as is usual, is then known of all.
local function knowNew(ids)
  local groups = {}
  for at = 1, #ids do
    local id = ids[at]
    local name = nameOfEnded(id)
    local group = groups[name]
    if group then group[#group + 1] = id else groups[name] = { id } end
  end
  for name, group in pairs(groups) do
    local found = call('HMGET', name, unpack(group))
    for at = 1, #group do
      local id = group[at]
      -- What is known of a captured one stands elsewhere.
      if found[at] and found[at] ~= 'c' then noteEnded(id, found[at]) elseif not found[at] and not states[id] then note(id, false) end
    end
  end
end

-- A plan from the text that a call came with, or from that of a hold, where it follows the owner. Calls of one key have the same, and it is never
-- written to.
local function planOf(text, from)
  local plan = plans[text]
  if not plan then
    plan = cjson.decode(from and sub(text, from) or text)
    plans[text] = plan
  end
  return plan
end

local function planOfHold(text)
  return plans[text] or planOf(text, find(text, '\n', 1, true) + 1)
end

-- Kept for as long as the call runs. The intent stands apart, behind a space, which no id has, since nobody but a sweep reads it.
local function hold(id, text, intent, holdUntil)
  note(id, 'h', text)
  local at, atDue = #held, #due
  held[at + 1], held[at + 2], held[at + 3], held[at + 4], due[atDue + 1], due[atDue + 2] = id, text, ' ' .. id, intent, holdUntil, id
end

local function drop(id)
  local at = #dropped
  finished[#finished + 1], dropped[at + 1], dropped[at + 2] = id, id, ' ' .. id
end

-- Kept for so many ms of the server's own time, with all of its group: remembering it for too long does no harm, forgetting it too early would.
local function keepEnded(id, text, ms)
  if text == 's' then note(id, 's') else noteEnded(id, text) end
  local name = nameOfEnded(id)
  local group = ended[name]
  if not group then
    group = { ms = ms }
    ended[name] = group
  end
  local at = #group
  group[at + 1], group[at + 2] = id, text
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

-- A command may have a few thousand arguments, so many are written in several.
local function inParts(command, name, all)
  for at = 1, #all, 2000 do
    call(command, name, unpack(all, at, math.min(at + 1999, #all)))
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

-- The number of the journal comes first: where the server takes no more writes, or it is no number, the first write says so. A row of the stream has the number of its first record
-- and says how many more there are.
local function commit()
  for name in pairs(ended) do call('HLEN', name) end
  local count = 0
  for at = 1, #rows do count = count + rows[at].records end
  if count > 0 then
    local seq = call('INCRBY', prefix .. 'seq', count) - count
    for at = 1, #rows do
      local row = rows[at]
      call('XADD', prefix .. 'journal', whole(seq + 1) .. '-' .. whole(row.records - 1), unpack(row))
      seq = seq + row.records
    end
  end
  -- A lease may end with thousands of calls that run.
  inParts('ZADD', prefix .. 'due', due)
  inParts('HSET', prefix .. 'holds', held)
  for holder, changed in pairs(touched) do
    local fields = {}
    for counter, counted in pairs(changed) do
      fields[#fields + 1] = counter
      fields[#fields + 1] = windowsText(counters[holder][counter], counted)
    end
    inParts('HSET', prefix .. 'count:' .. holder, fields)
  end
  for holder, fields in pairs(known) do inParts('HSET', prefix .. 'totals:' .. holder, fields) end
  for id, account in pairs(accounts) do
    if account.changed then
      call('HSET', prefix .. 'account:' .. id, 'balance', whole(account.balance), 'held', whole(account.held))
    end
  end
  if #finished > 0 then
    inParts('ZREM', prefix .. 'due', finished)
    inParts('HDEL', prefix .. 'holds', dropped)
  end
  for name, group in pairs(ended) do
    inParts('HSET', name, group)
    call('PEXPIRE', name, group.ms)
  end
  for at = 1, #captured, 3 do call('SET', captured[at], captured[at + 1], 'PX', captured[at + 2]) end
  for at = 1, #corrected do call('DEL', corrected[at]) end
end
