import { expiredOutcome } from '../../domain/expired-outcome.ts';
import type { RecordFacts } from '../../domain/record.ts';
import { capturedMsKept } from '../../domain/reservation.ts';
import type { LedgerTerms } from './admit.ts';
import { draftRecords, writeDrafts } from './append.ts';
import { openBooks } from './books.ts';
import { change, chargeOnExpiry } from './change.ts';
import type { DueKey, DueKind, Hold } from './reservation.ts';
import type { Tables } from './tables.ts';

/** Entries one commit deals with: longer commits would keep calls waiting for the write lock. */
export const sweepBatchMax = 200;

/** Groups of ended reservations that one commit deals with, each with up to that many rows. */
const groupsMax = 4;

type Terms = Pick<LedgerTerms, 'thresholds'> & { readonly now: number };

/**
 * One batch of what is due at `now`, to be run inside one commit: captures expired holds, forgets ended reservations, one-time ids and replays.
 * Answers how many holds it captured and whether more is due.
 */
export function sweepDue(tables: Tables, terms: Terms): { captured: number; more: boolean } {
  const { due, more } = dueAt(tables, terms.now);
  const of = (wanted: DueKind): string[] => due.filter(({ key }) => key[1] === wanted).flatMap(({ ids }) => ids);
  const expired = tables.holds.expired(terms.now, sweepBatchMax);
  const capture = prepareCapture(tables, expired, terms);
  for (const { key } of due) tables.due.remove(key);
  for (const id of of('ended')) tables.ended.forget(id);
  const whole = of('group').every((group) => tables.ended.forgetGroup(group, { now: terms.now, max: sweepBatchMax }) < sweepBatchMax);
  for (const id of of('once')) tables.once.remove(id);
  for (const id of of('replay')) tables.replays.remove(id);
  capture.write();
  return { captured: capture.count, more: more || !whole || expired.length === sweepBatchMax };
}

/** The next entries of what is due, as many as one commit deals with, and whether there may be more. */
function dueAt(tables: Tables, now: number): { due: { key: DueKey; ids: string[] }[]; more: boolean } {
  const due: { key: DueKey; ids: string[] }[] = [];
  let ids = 0;
  let groups = 0;
  for (const { key, value } of tables.due.getRange({ end: [now + 1] })) {
    if (ids >= sweepBatchMax || groups >= groupsMax) return { due, more: true };
    due.push({ key, ids: value === true ? [key[2]] : [key[2], ...value] });
    ids += value === true ? 1 : 1 + value.length;
    if (key[1] === 'group') groups += 1;
  }
  return { due, more: false };
}

/** Captures the holds named that are still there, to be run inside one commit. */
export function captureHolds(tables: Tables, ids: readonly string[], terms: Terms): number {
  const capture = prepareCapture(tables, ids, terms);
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
function prepareCapture(tables: Tables, ids: readonly string[], { thresholds, now }: Terms): { count: number; write: () => void } {
  const holds = ids.map((id) => tables.holds.get(id)).filter((hold) => hold !== undefined);
  if (holds.length === 0) return { count: 0, write: () => undefined };
  const books = openBooks(tables, thresholds());
  const facts = holds.flatMap((hold) => {
    const to = chargeOnExpiry(hold);
    const reached = change(books, hold, { from: 'held', to });
    return [outcomeOf(tables, hold, to.charge), ...reached];
  });
  const drafts = draftRecords(tables, now, facts);
  const write = (): void => {
    books.write();
    for (const hold of holds) {
      tables.holds.remove(hold.id);
      tables.ended.put(hold.id, { state: 'captured', hold, forgetAt: now + capturedMsKept });
    }
    writeDrafts(tables, drafts);
  };
  return { count: holds.length, write };
}

/** The outcome of a hold that expired: who and what from its intent, where that is still in the journal. */
function outcomeOf(tables: Tables, { id, keyId, intentAt }: Hold, charged: number): RecordFacts {
  const text = tables.journal.get(intentAt);
  const intent = text === undefined ? {} : (JSON.parse(text) as Record<string, unknown>);
  return expiredOutcome({ intent, keyId, reservationId: id, charged });
}
