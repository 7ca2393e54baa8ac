-- Adds to a balance or takes from it, once per reference, with the journal entry.
-- KEYS[1]  the partition's prefix
-- ARGV     account id, amount (micro-units, signed), hash of the reference, largest balance, time, facts (JSON), '1' where the entry is to tell
--          the balance after it
-- Answers  { what, balance, held, created, rev, limits, amount that the reference stood for }, where what is 'done', 'replayed', 'missing',
--          'used' (the reference stands for another amount) or 'refused' (the balance has no room); all as before the change
local prefix = KEYS[1]
local name, reference = prefix .. 'account:' .. ARGV[1], prefix .. 'ref:' .. ARGV[3]
local stored = redis.call('HMGET', name, 'balance', 'held', 'created', 'rev', 'limits')
if not stored[4] then return { 'missing' } end
local amount, before = tonumber(ARGV[2]), redis.call('GET', reference)
local function answer(what)
  return { what, stored[1], stored[2], stored[3], stored[4], stored[5], before or '' }
end
if before then return answer(before == ARGV[2] and 'replayed' or 'used') end
local balance, held = tonumber(stored[1]), tonumber(stored[2])
local after = balance + amount
-- So written, what is no number is refused.
if not (after <= tonumber(ARGV[4])) or (amount < 0 and not (after >= held)) then return answer('refused') end
local written = string.format('%.0f', after)
local seq = redis.call('INCR', prefix .. 'seq')
local entry = { ARGV[5], ARGV[6] }
if ARGV[7] == '1' then
  entry[3], entry[4] = 'm', '{"is":"adjusted","balance":' .. written .. '}'
end
redis.call('XADD', prefix .. 'journal', string.format('%.0f-0', seq), unpack(entry))
redis.call('HSET', name, 'balance', written)
redis.call('SET', reference, ARGV[2])
return answer('done')
