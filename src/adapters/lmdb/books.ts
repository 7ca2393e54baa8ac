import { thresholdFacts } from '../../domain/breach-facts.ts';
import { addedTo, type CounterBook, standingAt, toldIn, windowAt } from '../../domain/counters.ts';
import type { Standing } from '../../domain/limits.ts';
import type { RecordFacts } from '../../domain/record.ts';
import { limitKey, type Taking, type TakingLimit, thresholdReached } from '../../domain/taking.ts';
import type { Account } from '../../ports/ledger.ts';
import type { Tables } from './tables.ts';

/**
 * The counters and accounts that one commit changes. Everything is computed here first and written at the end, because an exception in the
 * middle of the writes would leave half of them.
 */
export interface Books {
  standing(taking: Taking): Standing;
  /** What is left of the counter that a reservation took from; a key that was deleted has none, and windows that ended long ago are dropped. */
  state(taking: Taking): 'kept' | 'dropped' | 'deleted';
  /** Adds to the taking's counter. Answers records of the thresholds that this reached, each for once. */
  add(taking: Taking, change: Standing): RecordFacts[];
  /** The record that a limit is used up, where none said so in this window: it has refused a call. */
  usedUp(taking: Taking, limit: TakingLimit): RecordFacts[];
  account(id: string): Account | undefined;
  setAccount(account: Account): void;
  /** Only writes: it cannot fail half-way. */
  write(): void;
}

/** @param thresholds percentages at which limits are reported, in rising order */
export function openBooks(tables: Tables, thresholds: readonly number[]): Books {
  const books = new Map<string, CounterBook>();
  const accounts = new Map<string, Account>();
  // Parsing costs more than all the rest, and one holder has many limits.
  const read = new Map<string, CounterBook | undefined>();
  const stored = (holder: string): CounterBook | undefined => {
    const changed = books.get(holder);
    if (changed) return changed;
    if (!read.has(holder)) read.set(holder, tables.counters.get(holder));
    return read.get(holder);
  };
  const bookOf = ({ holder }: Taking): CounterBook => stored(holder) ?? {};
  const tell = (taking: Taking, limit: TakingLimit, threshold: number): RecordFacts[] => {
    if (threshold === 0) return [];
    const { holder, counter, start } = taking;
    const book = bookOf(taking);
    const name = limitKey(limit);
    if (threshold <= (windowAt(book, taking)?.told?.[name] ?? 0)) return [];
    books.set(holder, toldIn(book, { counter, start, limit: name, threshold }));
    return [factsOf(taking, limit, { threshold, ...standingAt(book, counter, start) })];
  };
  return {
    standing: (taking) => standingAt(bookOf(taking), taking.counter, taking.start),
    state: (taking) => {
      const book = stored(taking.holder);
      if (!book) return 'deleted';
      return windowAt(book, taking) ? 'kept' : 'dropped';
    },
    add: (taking, change) => {
      const { holder, counter, start, limits } = taking;
      const book = addedTo(bookOf(taking), counter, start, change);
      books.set(holder, book);
      if (change.spent <= 0) return [];
      const { spent } = standingAt(book, counter, start);
      return limits.flatMap((limit) => tell(taking, limit, thresholdReached({ spent, limit: limit.limit, thresholds })));
    },
    usedUp: (taking, limit) => (thresholds.length > 0 ? tell(taking, limit, 100) : []),
    account: (id) => accounts.get(id) ?? tables.accounts.get(id),
    setAccount: (account) => accounts.set(account.id, account),
    write: () => {
      for (const [holder, book] of books) tables.counters.put(holder, book);
      for (const account of accounts.values()) tables.accounts.put(account.id, account);
    },
  };
}

function factsOf(
  { holder, unit, end }: Taking,
  { limitName, limit, soft }: TakingLimit,
  { threshold, spent, held }: { threshold: number; spent: number; held: number },
): RecordFacts {
  const reset = end === undefined ? {} : { resetAt: end };
  return thresholdFacts({ holder, limitName, unit, threshold, limit, spent, held, soft, ...reset });
}
