import { addedTo, type CounterBook } from '../../domain/counters.ts';
import type { Standing } from '../../domain/limits.ts';
import { formatMicros } from '../../domain/money.ts';
import type { Account, SettleRequest } from '../../ports/ledger.ts';
import { draftRecords, writeDrafts } from './append.ts';
import { putEnded, putHold, removeEnded, removeHold } from './holds.ts';
import { endedMsKept, type Hold, type Taking } from './reservation.ts';
import type { Tables } from './tables.ts';

/**
 * Ends a reservation, to be run inside one commit: the charge moves from held to spent in the windows of the admit, the
 * rest is released, the outcome is recorded. A second settle does nothing. After the hold was captured, a smaller charge
 * gives the difference back and the outcome says `corrected: true`. Shares of running totals are spent whole, or given back where
 * the call was released.
 * @throws Error, before any write, where the charge exceeds the hold, a released call is charged, or the reservation was never admitted
 */
export function settle(tables: Tables, request: SettleRequest): void {
  const { reservationId, charge, released = false, now } = request;
  const hold = tables.holds.get(reservationId);
  const ended = hold ? undefined : tables.ended.get(reservationId);
  if (!hold && ended?.state === 'settled') return;
  const captured = ended?.state === 'captured' ? ended.hold : undefined;
  const reservation = hold ?? captured;
  if (!reservation)
    throw new Error(`Reservation ${reservationId} is not held: it was never admitted, or ended too long ago to be settled.`);
  if (!Number.isSafeInteger(charge) || charge < 0 || charge > reservation.price) {
    throw new Error(`A charge of ${charge} micro-units is not within the hold of ${reservation.price}.`);
  }
  if (released && charge > 0) throw new Error(`Reservation ${reservationId} is released, so it is charged nothing.`);
  const change = hold ? { spent: charge, held: -hold.price } : { spent: charge - reservation.price, held: 0 };
  const books = new Map<string, CounterBook>();
  addToTakings(tables, books, reservation, change);
  addToTotals(tables, books, reservation, (amount) => ({
    spent: (released ? 0 : amount) - (hold ? 0 : amount),
    held: hold ? -amount : 0,
  }));
  const account = accountAfter(tables, new Map(), reservation, change);
  const corrected = captured ? { corrected: true } : {};
  const drafts = draftRecords(tables, now, [{ ...request.outcome, charged: formatMicros(charge), reservationId, ...corrected }]);
  // From here on only writes.
  for (const [keyId, book] of books) tables.counters.put(keyId, book);
  if (account) tables.accounts.put(account.id, account);
  if (hold) removeHold(tables, hold);
  if (ended) removeEnded(tables, reservationId, ended);
  putEnded(tables, reservationId, { state: 'settled', forgetAt: now + endedMsKept });
  writeDrafts(tables, drafts);
}

/** Moves the hold's end later, to be run inside one commit; false where the reservation has ended. Never earlier. */
export function renew(tables: Tables, { reservationId, holdUntil }: { reservationId: string; holdUntil: number }): boolean {
  if (!Number.isFinite(holdUntil)) throw new Error('A hold needs a time to end at.');
  const hold = tables.holds.get(reservationId);
  if (!hold) return false;
  if (holdUntil > hold.until) {
    removeHold(tables, hold);
    putHold(tables, { ...hold, until: holdUntil });
  }
  return true;
}

/**
 * Adds a change to every counter that the reservation took from, in the windows of its admit. `books` collects them, so that one
 * commit can end many reservations. Windows that were dropped since have nothing to give back to, nor have keys that were deleted.
 */
export function addToTakings(tables: Tables, books: Map<string, CounterBook>, { takings }: Hold, change: Standing): void {
  for (const taking of takings) addToTaking(tables, books, taking, change);
}

/** The same for the reservation's shares of running totals, which are settled by amounts of their own. */
export function addToTotals(
  tables: Tables,
  books: Map<string, CounterBook>,
  { keyId, totals = [], totalsKeyId = keyId }: Hold,
  changeOf: (amount: number) => Standing,
): void {
  for (const { counter, start, amount } of totals) addToTaking(tables, books, { keyId: totalsKeyId, counter, start }, changeOf(amount));
}

function addToTaking(tables: Tables, books: Map<string, CounterBook>, { keyId, counter, start }: Taking, change: Standing): void {
  // A book with something held in it only goes together with its key, and then nobody counts any more.
  const book = books.get(keyId) ?? tables.counters.get(keyId);
  if (!book) return;
  const dropped = change.held === 0 && !book[counter]?.some((window) => window.start === start);
  if (!dropped) books.set(keyId, addedTo(book, counter, start, change));
}

/** The paying account after a change, or undefined where none pays. `seen` collects accounts as `books` does counters. */
export function accountAfter(
  tables: Tables,
  seen: Map<string, Account>,
  { accountId }: Hold,
  { spent, held }: { spent: number; held: number },
): Account | undefined {
  if (accountId === undefined) return undefined;
  const account = seen.get(accountId) ?? tables.accounts.get(accountId);
  if (!account) throw new Error(`Account ${accountId} has a hold but is not in the store.`);
  const after = { ...account, balance: account.balance - spent, held: account.held + held };
  if (after.held < 0 || after.balance < 0) throw new RangeError(`account ${accountId} would fall below zero`);
  seen.set(accountId, after);
  return after;
}
