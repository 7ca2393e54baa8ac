import { formatMicros } from '../../domain/money.ts';
import type { RecordFacts } from '../../domain/record.ts';
import { endedMsKept } from '../../domain/reservation.ts';
import type { SettleRequest } from '../../ports/ledger.ts';
import type { LedgerTerms } from './admit.ts';
import { draftRecords, writeDrafts } from './append.ts';
import { type Books, openBooks } from './books.ts';
import { change, chargeOnExpiry, fittingEnd } from './change.ts';
import { dueKey, type Hold } from './reservation.ts';
import type { Tables } from './tables.ts';

/**
 * Ends a reservation, to be run inside one commit: the charge moves from held to spent in the windows of the admit, the
 * rest is released, the outcome is recorded. A second settle does nothing. After the hold was captured, a smaller charge
 * gives the difference back, a larger one takes what has room, and the outcome says `corrected: true`. Shares of running totals are spent
 * whole, or given back where the call was released.
 * @throws Error, before any write, where the charge exceeds the hold, a released call is charged, or the reservation was never admitted
 */
export function settle(tables: Tables, { thresholds }: Pick<LedgerTerms, 'thresholds'>, request: SettleRequest): void {
  const { reservationId, charge, released = false, now } = request;
  const hold = tables.holds.get(reservationId);
  const ended = hold ? undefined : tables.ended.get(reservationId);
  if (!hold && ended?.state === 'settled') return;
  const captured = ended?.state === 'captured' ? ended.hold : undefined;
  const reservation = hold ?? captured;
  // What was captured stands by itself, and its entry is taken away.
  if (captured) tables.requireTransaction();
  if (!reservation)
    throw new Error(`Reservation ${reservationId} is not held: it was never admitted, or ended too long ago to be settled.`);
  if (!Number.isSafeInteger(charge) || charge < 0 || charge > reservation.price) {
    throw new Error(`A charge of ${charge} micro-units is not within the hold of ${reservation.price}.`);
  }
  if (released && charge > 0) throw new Error(`Reservation ${reservationId} is released, so it is charged nothing.`);
  const books = openBooks(tables, thresholds());
  const { charged, reached } = end(books, { hold: reservation, late: captured !== undefined, charge, released });
  const corrected = captured ? true : undefined;
  const outcome: RecordFacts = { ...request.outcome, charged: formatMicros(charged), reservationId, corrected };
  const drafts = draftRecords(tables, now, [outcome, ...reached]);
  // From here on only writes.
  books.write();
  if (hold) tables.holds.remove(hold.id);
  if (ended?.state === 'captured') {
    tables.ended.forget(reservationId);
    tables.due.remove(dueKey(ended.forgetAt, 'ended', reservationId));
  }
  tables.ended.put(reservationId, { state: 'settled', forgetAt: now + endedMsKept });
  writeDrafts(tables, drafts);
}

function end(
  books: Books,
  { hold, late, charge, released }: { hold: Hold; late: boolean; charge: number; released: boolean },
): { charged: number; reached: RecordFacts[] } {
  if (!late) {
    return { charged: charge, reached: change(books, hold, { from: 'held', to: { charge, share: (amount) => (released ? 0 : amount) } }) };
  }
  const from = chargeOnExpiry(hold);
  const to = fittingEnd(books, hold, { charge, released });
  return { charged: to.charge, reached: change(books, hold, { from, to }) };
}

/** Moves the hold's end later, to be run inside one commit; false where the reservation has ended. Never earlier. */
export function renew(tables: Tables, { reservationId, holdUntil }: { reservationId: string; holdUntil: number }): boolean {
  if (!Number.isFinite(holdUntil)) throw new Error('A hold needs a time to end at.');
  const hold = tables.holds.get(reservationId);
  if (!hold) return false;
  if (holdUntil > hold.until) tables.holds.put(hold.id, { ...hold, until: holdUntil });
  return true;
}
