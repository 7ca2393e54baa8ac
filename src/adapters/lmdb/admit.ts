import { breachFacts } from '../../domain/breach-facts.ts';
import type { KeyRecord } from '../../domain/key.ts';
import type { Plans } from '../../domain/known-plans.ts';
import { lineDeath } from '../../domain/line-death.ts';
import { formatMicros } from '../../domain/money.ts';
import type { RecordFacts } from '../../domain/record.ts';
import { checkAdmit, endedMsKept } from '../../domain/reservation.ts';
import { totalsHolder } from '../../domain/taking.ts';
import { checkTotals } from '../../domain/totals.ts';
import type { AdmitRequest, AdmitResult } from '../../ports/ledger.ts';
import { draftRecords, readHead, writeDrafts } from './append.ts';
import { type Books, openBooks } from './books.ts';
import { learntTotals } from './known-totals.ts';
import type { Hold } from './reservation.ts';
import type { Tables } from './tables.ts';
import { judgeLimits } from './take.ts';

/** What every commit of a ledger needs besides its request. */
export interface LedgerTerms {
  readonly plans: Plans;
  /** The process life that owns the holds it takes. */
  readonly owner: string;
  /** Percentages at which limits are reported, in rising order. */
  readonly thresholds: () => readonly number[];
}

/**
 * The whole of an admit, to be run inside one commit: replay, life of the key and its ancestors, every limit, and only then
 * the writes. Refusals by death or limit are recorded in the same commit; `stale` writes nothing.
 * @throws Error, before any write, for requests that contradict themselves
 */
export function admit(tables: Tables, { plans, owner, thresholds }: LedgerTerms, request: AdmitRequest): AdmitResult {
  checkAdmit(request);
  checkTotals(request.totals ?? []);
  const answered = replay(tables, request.reservationId);
  if (answered) return answered;
  const line = judgeLine(tables, request);
  const books = openBooks(tables, thresholds());
  if ('answer' in line) return line.answer.kind === 'stale' ? line.answer : refuse(tables, { books, request, answer: line.answer });
  const judged = judgeLimits(books, { plans, call: request, keys: line.keys });
  if ('breach' in judged) {
    const reached = judged.by ? books.usedUp(judged.by.taking, judged.by.limit) : [];
    return refuse(tables, { books, request, answer: { kind: 'limited', breach: judged.breach }, reached });
  }
  const { plan, over, paying } = judged;
  const { reservationId, price, now } = request;
  const reached = plan.takings.flatMap((taking) => {
    const { amount } = taking;
    return books.add(taking, taking.settling === 'at-once' ? { spent: amount, held: 0 } : { spent: 0, held: amount });
  });
  if (paying) books.setAccount({ ...paying, held: paying.held + price });
  const beyond = over.length > 0 ? over : undefined;
  const intent: RecordFacts = { ...request.intent, decision: 'allowed', held: formatMicros(price), reservationId, over: beyond };
  const hold: Hold = {
    id: reservationId,
    owner,
    keyId: request.key.id,
    until: request.holdUntil,
    price,
    takings: plan.held,
    ...(paying && { accountId: paying.id }),
    ...(request.onExpiry === 'none' && { onExpiry: 'none' }),
    intentAt: readHead(tables).position + 1,
  };
  const drafts = draftRecords(tables, now, [intent, ...reached]);
  const totalled = totalsHolder(line.keys);
  const learnt = learntTotals(tables, totalled, request.totals ?? []);
  // From here on only writes: an exception would leave half of them.
  books.write();
  if (learnt) tables.totals.put(totalled, learnt);
  tables.holds.put(hold.id, hold);
  writeDrafts(tables, drafts);
  return beyond ? { kind: 'admitted', reservationId, over: beyond } : { kind: 'admitted', reservationId };
}

function replay(tables: Tables, reservationId: string): AdmitResult | undefined {
  const ended = tables.ended.get(reservationId);
  if (ended?.state === 'refused') return ended.answer;
  return ended || tables.holds.doesExist(reservationId) ? { kind: 'admitted', reservationId } : undefined;
}

type Line = { readonly keys: readonly [KeyRecord, ...KeyRecord[]] } | { readonly answer: Extract<AdmitResult, { kind: 'stale' | 'dead' }> };

/** The stored key decides which ancestors there are; those of the request only say what was judged. */
function judgeLine(tables: Tables, request: AdmitRequest): Line {
  const key = tables.readKey(request.key.id);
  if (!key) return { answer: { kind: 'dead', reason: 'TOKEN_INVALID' } };
  const keys: [KeyRecord, ...KeyRecord[]] = [key];
  for (const id of key.parentIds) {
    const ancestor = tables.readKey(id);
    if (!ancestor) return { answer: { kind: 'dead', reason: 'TOKEN_INVALID' } };
    keys.push(ancestor);
  }
  const reason = lineDeath(keys, request.now);
  if (reason) return { answer: { kind: 'dead', reason } };
  const asked = ({ id }: KeyRecord) => (id === request.key.id ? request.key : request.ancestors.find((each) => each.id === id));
  return keys.every((each) => asked(each)?.revision === each.revision) ? { keys } : { answer: { kind: 'stale' } };
}

/** Records a refusal and remembers the answer for resends. */
function refuse(
  tables: Tables,
  options: {
    books: Books;
    request: AdmitRequest;
    answer: Extract<AdmitResult, { kind: 'dead' | 'limited' }>;
    reached?: readonly RecordFacts[];
  },
): AdmitResult {
  const { books, request, answer, reached = [] } = options;
  const { reservationId, intent, now } = request;
  const reason = answer.kind === 'dead' ? answer.reason : answer.breach.reason;
  const facts = answer.kind === 'dead' ? {} : breachFacts(answer.breach);
  const refusal: RecordFacts = { ...intent, kind: 'call.refused', decision: 'refused', reason, reservationId, ...facts };
  const drafts = draftRecords(tables, now, [refusal, ...reached]);
  books.write();
  tables.ended.put(reservationId, { state: 'refused', answer, forgetAt: now + endedMsKept });
  writeDrafts(tables, drafts);
  return answer;
}
