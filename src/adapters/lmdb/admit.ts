import type { Calendar } from '../../domain/calendar.ts';
import { addedTo, type CounterBook, standingAt } from '../../domain/counters.ts';
import { deadReason, type KeyRecord, rootOf } from '../../domain/key.ts';
import { countsAgainst, hasRoom, type Limit, limitsOf } from '../../domain/limits.ts';
import { formatMicros } from '../../domain/money.ts';
import type { RecordFacts } from '../../domain/record.ts';
import type { Account, AdmitRequest, AdmitResult, LimitBreach } from '../../ports/ledger.ts';
import { draftRecords, writeDrafts } from './append.ts';
import { putEnded, putHold } from './holds.ts';
import { checkReservationId, endedMsKept, type Hold, type Taking } from './reservation.ts';
import type { Tables } from './tables.ts';

/**
 * The whole of an admit, to be run inside one commit: replay, life of the key and its ancestors, every limit, and only then
 * the writes. Refusals by death or limit are recorded in the same commit; `stale` writes nothing.
 * @throws Error, before any write, for requests that contradict themselves
 */
export function admit(tables: Tables, options: { calendar: Calendar; owner: string }, request: AdmitRequest): AdmitResult {
  checkRequest(request);
  const answered = replay(tables, request.reservationId);
  if (answered) return answered;
  const judged = judge(tables, request);
  if ('answer' in judged) return judged.answer.kind === 'stale' ? judged.answer : refuse(tables, request, judged.answer);
  const account = payingAccount(tables, request, judged.keys[0]);
  const count = takeCounts(tables, { request, keys: judged.keys, calendar: options.calendar });
  const breach = count.breach ?? account.breach;
  if (breach) return refuse(tables, request, { kind: 'limited', breach });
  const { reservationId, price } = request;
  const drafts = draftRecords(tables, request.now, [
    { ...request.intent, decision: 'allowed', held: formatMicros(price), reservationId } satisfies RecordFacts,
  ]);
  const hold: Hold = {
    id: reservationId,
    owner: options.owner,
    keyId: request.key.id,
    until: request.holdUntil,
    price,
    takings: count.takings,
    ...(account.holding && { accountId: account.holding.id }),
    intentSeq: drafts.head.seq,
  };
  // From here on only writes: an exception would leave half of them.
  for (const [keyId, book] of count.books) tables.counters.put(keyId, book);
  if (account.holding) tables.accounts.put(account.holding.id, account.holding);
  putHold(tables, hold);
  writeDrafts(tables, drafts);
  return { kind: 'admitted', reservationId };
}

function checkRequest({ reservationId, price, counts, now, holdUntil, root, key }: AdmitRequest): void {
  checkReservationId(reservationId);
  if (!Number.isSafeInteger(price) || price < 0) throw new Error('A price is a whole number of micro-units, 0 or more.');
  if (price > 0 && !counts) throw new Error('A call that has a price counts against limits.');
  if (!Number.isFinite(now) || !Number.isFinite(holdUntil)) throw new Error('An admit needs the time and the end of its hold.');
  if (root !== rootOf(key)) throw new Error(`The ledger root of key ${key.id} is ${rootOf(key)}, not ${root}.`);
}

function replay(tables: Tables, reservationId: string): AdmitResult | undefined {
  const ended = tables.ended.get(reservationId);
  if (ended?.state === 'refused') return ended.answer;
  return ended || tables.holds.doesExist(reservationId) ? { kind: 'admitted', reservationId } : undefined;
}

type Judged =
  | { readonly keys: readonly [KeyRecord, ...KeyRecord[]] }
  | { readonly answer: Extract<AdmitResult, { kind: 'stale' | 'dead' }> };

/** The stored key decides which ancestors there are; those of the request only say what was judged. */
function judge(tables: Tables, request: AdmitRequest): Judged {
  const key = tables.readKey(request.key.id);
  if (!key) return { answer: { kind: 'dead', reason: 'TOKEN_INVALID' } };
  const keys: [KeyRecord, ...KeyRecord[]] = [key];
  for (const id of key.parentIds) {
    const ancestor = tables.readKey(id);
    if (!ancestor) return { answer: { kind: 'dead', reason: 'TOKEN_INVALID' } };
    keys.push(ancestor);
  }
  for (const each of keys) {
    const reason = deadReason(each, request.now);
    if (reason) return { answer: { kind: 'dead', reason } };
  }
  const revisions = new Map([request.key, ...request.ancestors].map((each) => [each.id, each.revision]));
  return keys.every((each) => revisions.get(each.id) === each.revision) ? { keys } : { answer: { kind: 'stale' } };
}

/** The counters of the key and of every ancestor as they would be, or the first limit without room. */
function takeCounts(
  tables: Tables,
  { request, keys, calendar }: { request: AdmitRequest; keys: readonly KeyRecord[]; calendar: Calendar },
): { breach?: LimitBreach; books: Map<string, CounterBook>; takings: Taking[] } {
  const books = new Map<string, CounterBook>();
  const takings: Taking[] = [];
  if (!request.counts) return { books, takings };
  const { tool, price, now } = request;
  for (const key of keys) {
    const limits = limitsOf(key, calendar, now).filter((limit) => countsAgainst(limit, { tool, price }));
    if (limits.length === 0) continue;
    const before = tables.counters.get(key.id) ?? {};
    let book = before;
    const taken = new Set<string>();
    for (const limit of limits) {
      const standing = standingAt(before, limit.counter, limit.start);
      if (!hasRoom(limit, standing, price)) return { breach: breachOf(limit, standing), books, takings };
      if (taken.has(limit.counter)) continue;
      taken.add(limit.counter);
      const inMoney = limit.unit === 'micros';
      book = addedTo(book, limit.counter, limit.start, inMoney ? { spent: 0, held: price } : { spent: 1, held: 0 });
      if (inMoney) takings.push({ keyId: key.id, counter: limit.counter, start: limit.start });
    }
    books.set(key.id, book);
  }
  return { books, takings };
}

function breachOf({ reason, limitName, unit, limit, end }: Limit, { spent, held }: { spent: number; held: number }): LimitBreach {
  return { reason, limitName, unit, limit, spent, held, ...(end !== undefined && { resetAt: end }) };
}

/** The account with the price held, where one pays. Test keys spend test money: no balance is touched. */
function payingAccount(tables: Tables, { price }: AdmitRequest, key: KeyRecord): { breach?: LimitBreach; holding?: Account } {
  if (price === 0 || key.accountId === undefined || key.environment !== 'live') return {};
  const account = tables.accounts.get(key.accountId);
  const { balance, held } = account ?? { balance: 0, held: 0 };
  if (account && balance - held >= price) return { holding: { ...account, held: held + price } };
  const limitName = `account:${key.accountId} balance`;
  return { breach: { reason: 'BALANCE_EXHAUSTED', limitName, unit: 'micros', limit: balance, spent: 0, held } };
}

/** Records a refusal and remembers the answer for resends. */
function refuse(tables: Tables, request: AdmitRequest, answer: Extract<AdmitResult, { kind: 'dead' | 'limited' }>): AdmitResult {
  const { reservationId, intent, now } = request;
  const reason = answer.kind === 'dead' ? answer.reason : answer.breach.reason;
  const facts = answer.kind === 'dead' ? {} : breachFacts(answer.breach);
  const drafts = draftRecords(tables, now, [{ ...intent, kind: 'call.refused', decision: 'refused', reason, reservationId, ...facts }]);
  putEnded(tables, reservationId, { state: 'refused', answer, forgetAt: now + endedMsKept });
  writeDrafts(tables, drafts);
  return answer;
}

/** Money as decimal strings, counts as numbers; `held` is always a string, as in every record. */
function breachFacts({ limitName, unit, limit, spent, held, resetAt }: LimitBreach): Partial<RecordFacts> {
  const amount = (value: number): string | number => (unit === 'micros' ? formatMicros(value) : value);
  const reset = resetAt === undefined ? {} : { resetAt: new Date(resetAt).toISOString() };
  return { limitName, limit: amount(limit), spent: amount(spent), held: String(amount(held)), ...reset };
}
