import type { Standing } from './limits.ts';

/** What was counted in one window of one counter. */
export interface WindowCount extends Standing {
  /** Milliseconds since the epoch; 0 for counters that never reset. */
  readonly start: number;
}

/** Every counter of one key: counter name to its windows. */
export type CounterBook = Readonly<Record<string, readonly WindowCount[]>>;

/**
 * Windows kept although nothing is held in them: the current one and those just before, so that a clock that is set
 * back by less than a window finds the counts it left.
 */
const windowsKept = 3;

export function standingAt(book: CounterBook, counter: string, start: number): Standing {
  return book[counter]?.find((window) => window.start === start) ?? nothing;
}

/**
 * The book after `spent` and `held` were added (negative to take away) in one window. Windows that ended are dropped
 * here once nothing is held in them, so a book stays as small as its key's limits.
 * @throws RangeError where a number would fall below zero: the book and the holds contradict each other
 */
export function addedTo(book: CounterBook, counter: string, start: number, change: Standing): CounterBook {
  const windows = book[counter] ?? [];
  const before = windows.find((window) => window.start === start) ?? nothing;
  const after = { start, spent: before.spent + change.spent, held: before.held + change.held };
  if (after.spent < 0 || after.held < 0) throw new RangeError(`counter "${counter}" would fall below zero in the window of ${start}`);
  const others = windows.filter((window) => window.start !== start);
  const all = [...others, after].sort((one, other) => other.start - one.start);
  return { ...book, [counter]: all.filter((window, rank) => rank < windowsKept || window.held > 0) };
}

const nothing: Standing = { spent: 0, held: 0 };
