import type { Calendar } from '../domain/calendar.ts';
import { type CounterBook, windowAt } from '../domain/counters.ts';
import { accountLimitsOf, type Limit, limitsOf } from '../domain/limits.ts';
import type { Account } from '../ports/ledger.ts';
import type { Store } from '../ports/store.ts';

/** What a ledger says about one counter, in the window that is compared. */
export interface CountedLimit extends Limit {
  /** When its key or account was made, ms. */
  readonly since: number;
  spent: number;
  held: number;
}

/** What a ledger says at about one moment. Open leases count as if they had been given back. */
export interface LedgerPicture {
  readonly accounts: ReadonlyMap<string, { balance: number; held: number; readonly createdAt: number }>;
  /** By counterKey. */
  readonly limits: ReadonlyMap<string, CountedLimit>;
  /** Running calls: reservation id to micro-units. */
  readonly holds: ReadonlyMap<string, number>;
  /** Running totals of arguments, which the journal knows nothing of. */
  readonly totals: number;
}

export function counterKey({ holder, counter }: { holder: string; counter: string }): string {
  return `${holder} ${counter}`;
}

/** Reads a ledger while gateways may use it: what comes later may be younger than what came before. Memory grows with accounts and limits. */
export async function readPicture(
  store: Pick<Store, 'dump'>,
  { calendar, at }: { calendar: Calendar; at: number },
): Promise<LedgerPicture> {
  const accounts = new Map<string, { balance: number; held: number; readonly createdAt: number }>();
  const limits = new Map<string, CountedLimit>();
  const holds = new Map<string, number>();
  let totals = 0;
  const add = (found: readonly Limit[], since: number): void => {
    // Limits that share a counter are one to compare.
    for (const limit of found) if (!limits.has(counterKey(limit))) limits.set(counterKey(limit), { ...limit, since, spent: 0, held: 0 });
  };
  for await (const entry of store.dump({ serving: true })) {
    if (entry.is === 'key') add(limitsOf(entry.record, calendar, at), entry.record.createdAt);
    else if (entry.is === 'account') {
      const { id, balance, held, createdAt }: Account = entry.account;
      accounts.set(id, { balance, held, createdAt });
      add(accountLimitsOf(entry.account, calendar, at), createdAt);
    } else if (entry.is === 'counters') readBook(limits, entry.holder, entry.counters);
    else if (entry.is === 'totals') totals += Object.keys(entry.totals).length;
    else if (entry.is === 'hold') holds.set(entry.id, entry.price);
    else if (entry.is === 'lease') {
      for (const { holder, counter, start, spent, held } of entry.counters) {
        const limit = limits.get(counterKey({ holder, counter }));
        if (limit?.start === start) change(limit, { spent, held });
      }
      const account = entry.account && accounts.get(entry.account.id);
      if (account && entry.account) {
        account.balance += entry.account.balance;
        account.held += entry.account.held;
      }
    }
  }
  return { accounts, limits, holds, totals };
}

function readBook(limits: ReadonlyMap<string, CountedLimit>, holder: string, book: CounterBook): void {
  for (const counter of Object.keys(book)) {
    const limit = limits.get(counterKey({ holder, counter }));
    const window = limit && windowAt(book, limit);
    if (limit && window) change(limit, window);
  }
}

function change(limit: CountedLimit, { spent, held }: { spent: number; held: number }): void {
  limit.spent += spent;
  limit.held += held;
}
