import type { RecordFacts } from '../../domain/record.ts';
import type { Taking } from '../../domain/taking.ts';
import type { Books } from './books.ts';
import type { Hold } from './reservation.ts';

/** What a reservation has spent, of money and of each share that it took. */
export interface Spent {
  /** Micro-units. */
  readonly charge: number;
  readonly share: (amount: number) => number;
}

/**
 * What an expired hold is charged: all of it, or nothing where it was admitted so. Shares are spent either way, because the upstream may have done
 * what the arguments asked for.
 */
export function chargeOnExpiry({ price, onExpiry }: Hold): Spent {
  return { charge: onExpiry === 'none' ? 0 : price, share: (amount) => amount };
}

/**
 * Takes a reservation from what it holds, or from what it has spent already, to what it has spent then: in every counter that it took from, in
 * the windows of its admit, and in the account that pays. Windows that were dropped since have nothing to give back to, nor have keys that were
 * deleted. Answers records of the thresholds that this reached. @throws RangeError where books and holds contradict each other
 */
export function change(books: Books, hold: Hold, { from, to }: { from: 'held' | Spent; to: Spent }): RecordFacts[] {
  const before = from === 'held' ? { charge: 0, share: () => 0 } : from;
  const reached = hold.takings.flatMap((taking) => {
    const { amount, settling } = taking;
    const [was, is] = settling === 'by-share' ? [before.share(amount), to.share(amount)] : [before.charge, to.charge];
    // A book with something held in it only goes together with its key, and then nobody counts any more.
    const state = books.state(taking);
    if (state === 'deleted' || (state === 'dropped' && from !== 'held')) return [];
    return books.add(taking, { spent: is - was, held: from === 'held' ? -amount : 0 });
  });
  pay(books, hold, { spent: to.charge - before.charge, held: from === 'held' ? -hold.price : 0 });
  return reached;
}

/**
 * What a settle that comes after the expiry makes of a reservation. Downward it may go as it likes. Upward, which can only be where the expiry
 * charged nothing, it goes as far as every limit and the balance have room by now: others may have used what was given back (I2).
 */
export function fittingEnd(books: Books, hold: Hold, { charge, released }: { charge: number; released: boolean }): Spent {
  const before = chargeOnExpiry(hold);
  const account = hold.accountId === undefined ? undefined : books.account(hold.accountId);
  const inBalance = account ? Math.max(0, account.balance - account.held) : Number.POSITIVE_INFINITY;
  const inCounters = hold.takings.filter(({ settling }) => settling === 'by-charge').map((taking) => roomFor(books, taking));
  return {
    charge: raised(before.charge, charge, Math.min(inBalance, ...inCounters)),
    share: (amount) => (released ? 0 : amount),
  };
}

function raised(from: number, to: number, room: number): number {
  return to <= from ? to : Math.min(to, from + room);
}

/** What the hard limits of a counter still let through. Nothing where its window was dropped: nobody knows any more what was spent there. */
function roomFor(books: Books, taking: Taking): number {
  const state = books.state(taking);
  if (state === 'deleted') return Number.POSITIVE_INFINITY;
  if (state === 'dropped') return 0;
  const { spent, held } = books.standing(taking);
  const rooms = taking.limits.filter(({ soft }) => !soft).map(({ limit }) => Math.max(0, limit - spent - held));
  return Math.min(Number.POSITIVE_INFINITY, ...rooms);
}

function pay(books: Books, { accountId }: Hold, { spent, held }: { spent: number; held: number }): void {
  if (accountId === undefined) return;
  const account = books.account(accountId);
  if (!account) throw new Error(`Account ${accountId} has a hold but is not in the store.`);
  const after = { ...account, balance: account.balance - spent, held: account.held + held };
  if (after.held < 0 || after.balance < 0) throw new RangeError(`account ${accountId} would fall below zero`);
  books.setAccount(after);
}
