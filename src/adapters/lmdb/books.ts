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
export function openBooks(tables: Pick<Tables, 'counters' | 'accounts'>, thresholds: readonly number[]): Books {
  return new OpenBooks(tables, thresholds);
}

/** The counters of one holder, read at most once: one holder has many limits. */
interface Page {
  readonly holder: string;
  book: CounterBook | undefined;
  changed: boolean;
}

/** A class, because two are opened for each call. An act changes few books and one account: looking through them costs less than naming them. */
class OpenBooks implements Books {
  private readonly tables: Pick<Tables, 'counters' | 'accounts'>;
  private readonly thresholds: readonly number[];
  private readonly pages: Page[] = [];
  private readonly accounts: Account[] = [];

  constructor(tables: Pick<Tables, 'counters' | 'accounts'>, thresholds: readonly number[]) {
    this.tables = tables;
    this.thresholds = thresholds;
  }

  standing(taking: Taking): Standing {
    return standingAt(this.bookOf(taking.holder), taking.counter, taking.start);
  }

  state(taking: Taking): 'kept' | 'dropped' | 'deleted' {
    const { book } = this.page(taking.holder);
    if (!book) return 'deleted';
    return windowAt(book, taking) ? 'kept' : 'dropped';
  }

  add(taking: Taking, change: Standing): RecordFacts[] {
    const { holder, counter, start, limits } = taking;
    const book = addedTo(this.bookOf(holder), counter, start, change);
    this.put(holder, book);
    if (change.spent <= 0) return [];
    const { spent } = standingAt(book, counter, start);
    const reached: RecordFacts[] = [];
    for (const limit of limits) {
      const threshold = thresholdReached({ spent, limit: limit.limit, thresholds: this.thresholds });
      if (threshold > 0) reached.push(...this.tell(taking, limit, threshold));
    }
    return reached;
  }

  usedUp(taking: Taking, limit: TakingLimit): RecordFacts[] {
    return this.thresholds.length > 0 ? this.tell(taking, limit, 100) : [];
  }

  account(id: string): Account | undefined {
    return this.accounts.find((account) => account.id === id) ?? this.tables.accounts.get(id);
  }

  setAccount(account: Account): void {
    const at = this.accounts.findIndex(({ id }) => id === account.id);
    if (at < 0) this.accounts.push(account);
    else this.accounts[at] = account;
  }

  write(): void {
    for (const { holder, book, changed } of this.pages) if (changed && book) this.tables.counters.put(holder, book);
    for (const account of this.accounts) this.tables.accounts.put(account.id, account);
  }

  private page(holder: string): Page {
    for (const page of this.pages) if (page.holder === holder) return page;
    const page = { holder, book: this.tables.counters.get(holder), changed: false };
    this.pages.push(page);
    return page;
  }

  private bookOf(holder: string): CounterBook {
    return this.page(holder).book ?? {};
  }

  private put(holder: string, book: CounterBook): void {
    const page = this.page(holder);
    page.book = book;
    page.changed = true;
  }

  /** The record of a threshold, where it was not reported in this window already. */
  private tell(taking: Taking, limit: TakingLimit, threshold: number): RecordFacts[] {
    const { holder, counter, start } = taking;
    const book = this.bookOf(holder);
    const name = limitKey(limit);
    if (threshold <= (windowAt(book, taking)?.told?.[name] ?? 0)) return [];
    this.put(holder, toldIn(book, { counter, start, limit: name, threshold }));
    return [factsOf(taking, limit, { threshold, ...standingAt(book, counter, start) })];
  }
}

function factsOf(
  { holder, unit, end }: Taking,
  { limitName, limit, soft }: TakingLimit,
  { threshold, spent, held }: { threshold: number; spent: number; held: number },
): RecordFacts {
  const reset = end === undefined ? {} : { resetAt: end };
  return thresholdFacts({ holder, limitName, unit, threshold, limit, spent, held, soft, ...reset });
}
