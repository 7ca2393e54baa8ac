import type { CounterBook } from '../../domain/counters.ts';
import { formatMicros } from '../../domain/money.ts';
import type { RecordFacts } from '../../domain/record.ts';
import type { Account } from '../../ports/ledger.ts';
import { type Drafts, draftRecords, writeDrafts } from './append.ts';
import { putEnded, removeHold } from './holds.ts';
import { capturedMsKept, type DueKind, dueKey, type Hold } from './reservation.ts';
import { accountAfter, addToTakings, addToTotals } from './settle.ts';
import type { Tables } from './tables.ts';

/** Entries one commit deals with: longer commits would keep calls waiting for the write lock. */
export const sweepBatchMax = 200;

/**
 * One batch of what is due at `now`, to be run inside one commit: captures expired holds, forgets ended reservations, one-time ids and replays.
 * Answers how many holds it captured and whether more is due.
 */
export function sweepDue(tables: Tables, now: number): { captured: number; more: boolean } {
  const due = [...tables.due.getKeys({ end: [now + 1], limit: sweepBatchMax })];
  const of = (wanted: DueKind): string[] => due.filter(([, kind]) => kind === wanted).map(([, , id]) => id);
  const capture = prepareCapture(tables, of('hold'), now);
  for (const [at, kind, id] of due) if (kind !== 'hold') tables.due.remove(dueKey(at, kind, id));
  for (const id of of('ended')) tables.ended.remove(id);
  for (const id of of('once')) tables.once.remove(id);
  for (const id of of('replay')) tables.replays.remove(id);
  capture.write();
  return { captured: capture.count, more: due.length === sweepBatchMax };
}

/** Captures the holds named that are still there, to be run inside one commit. */
export function captureHolds(tables: Tables, ids: readonly string[], now: number): number {
  const capture = prepareCapture(tables, ids, now);
  capture.write();
  return capture.count;
}

/** Ids of the holds whose owner is named an orphan, as of a recent snapshot. */
export function orphanedHolds(tables: Tables, orphaned: (owner: string) => boolean): string[] {
  const ids: string[] = [];
  for (const { value } of tables.holds.getRange({})) if (orphaned(value.owner)) ids.push(value.id);
  return ids;
}

/** Computes all that a capture changes; `write` then cannot fail half-way. */
function prepareCapture(tables: Tables, ids: readonly string[], now: number): { count: number; write: () => void } {
  const holds = ids.map((id) => tables.holds.get(id)).filter((hold) => hold !== undefined);
  const books = new Map<string, CounterBook>();
  const accounts = new Map<string, Account>();
  for (const hold of holds) {
    const change = { spent: hold.price, held: -hold.price };
    addToTakings(tables, books, hold, change);
    addToTotals(tables, books, hold, (amount) => ({ spent: amount, held: -amount }));
    accountAfter(tables, accounts, hold, change);
  }
  const drafts: Drafts | undefined =
    holds.length === 0
      ? undefined
      : draftRecords(
          tables,
          now,
          holds.map((hold) => outcomeOf(tables, hold)),
        );
  const write = (): void => {
    for (const [keyId, book] of books) tables.counters.put(keyId, book);
    for (const account of accounts.values()) tables.accounts.put(account.id, account);
    for (const hold of holds) {
      removeHold(tables, hold);
      putEnded(tables, hold.id, { state: 'captured', hold, forgetAt: now + capturedMsKept });
    }
    if (drafts) writeDrafts(tables, drafts);
  };
  return { count: holds.length, write };
}

/** The outcome of a hold that expired: who and what from its intent, where that is still in the journal. */
function outcomeOf(tables: Tables, hold: Hold): RecordFacts {
  const text = tables.journal.get(hold.intentSeq);
  const intent = text === undefined ? {} : (JSON.parse(text) as Record<string, unknown>);
  const facts = Object.fromEntries(Object.entries(intent).filter(([name]) => repeatedFacts.has(name)));
  const charged = hold.price > 0 ? { charged: formatMicros(hold.price) } : {};
  return { ...facts, kind: 'call.outcome', keyId: hold.keyId, reservationId: hold.id, status: 'hold-expired', ...charged };
}

const repeatedFacts: ReadonlySet<string> = new Set([
  'requestId',
  'parentIds',
  'org',
  'agent',
  'bot',
  'account',
  'environment',
  'onBehalfOf',
  'address',
  'upstream',
  'method',
  'tool',
  'resource',
  'prompt',
  'rule',
  'ruleRevision',
]);
