import type { Calendar } from '../../domain/calendar.ts';
import { deadReason, type KeyRecord, rootOf } from '../../domain/key.ts';
import { formatMicros } from '../../domain/money.ts';
import type { RecordFacts } from '../../domain/record.ts';
import type { AdmitRequest, AdmitResult, LimitBreach } from '../../ports/ledger.ts';
import { draftRecords, writeDrafts } from './append.ts';
import { putEnded, putHold } from './holds.ts';
import { checkReservationId, endedMsKept, type Hold } from './reservation.ts';
import type { Tables } from './tables.ts';
import { take, totalsKey } from './take.ts';
import { checkTotals } from './totals.ts';

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
  const result = take(tables, { calendar: options.calendar, call: request, keys: judged.keys });
  if ('breach' in result) return refuse(tables, request, { kind: 'limited', breach: result.breach });
  const { books, takings, totals, known, holding } = result.taken;
  const { reservationId, price } = request;
  const totalled = totalsKey(judged.keys);
  const drafts = draftRecords(tables, request.now, [
    { ...request.intent, decision: 'allowed', held: formatMicros(price), reservationId } satisfies RecordFacts,
  ]);
  const hold: Hold = {
    id: reservationId,
    owner: options.owner,
    keyId: request.key.id,
    until: request.holdUntil,
    price,
    takings,
    ...(totals.length > 0 && { totals, ...(totalled.id !== request.key.id && { totalsKeyId: totalled.id }) }),
    ...(holding && { accountId: holding.id }),
    intentSeq: drafts.head.seq,
  };
  // From here on only writes: an exception would leave half of them.
  for (const [keyId, book] of books) tables.counters.put(keyId, book);
  if (known) tables.totals.put(totalled.id, known);
  if (holding) tables.accounts.put(holding.id, holding);
  putHold(tables, hold);
  writeDrafts(tables, drafts);
  return { kind: 'admitted', reservationId };
}

function checkRequest({ reservationId, price, counts, totals = [], now, holdUntil, root, key }: AdmitRequest): void {
  checkReservationId(reservationId);
  checkTotals(totals);
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
