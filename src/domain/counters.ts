import type { Standing } from './limits.ts';

/** What was counted in one window of one counter. */
export interface WindowCount extends Standing {
  /** Milliseconds since the epoch; 0 for counters that never reset. */
  readonly start: number;
  /** The highest threshold reported in this window of each limit that reads the counter, in percent. Absent where none was. */
  readonly told?: Readonly<Record<string, number>>;
}

/** Every counter of one key: counter name to its windows. */
export type CounterBook = Readonly<Record<string, readonly WindowCount[]>>;

/** One window of one counter. */
export interface CounterWindow {
  readonly counter: string;
  readonly start: number;
}

/**
 * Windows kept although nothing is held in them: the current one and those just before, so that a clock that is set
 * back by less than a window finds the counts it left. The window that was counted in last is kept besides: after a clock that was ahead
 * for a while it is older than all of these, and forgetting it would let every call pass.
 */
const windowsKept = 3;

export function standingAt(book: CounterBook, counter: string, start: number): Standing {
  return windowAt(book, { counter, start }) ?? nothing;
}

/** The window's numbers, or undefined where it was never counted in or was dropped since. */
export function windowAt(book: CounterBook, { counter, start }: CounterWindow): WindowCount | undefined {
  return book[counter]?.find((window) => window.start === start);
}

/**
 * The book after `spent` and `held` were added (negative to take away) in one window. Windows that ended are dropped
 * here once nothing is held in them, so a book stays as small as its key's limits.
 * @throws RangeError where a number would fall below zero (the book and the holds contradict each other), or beyond what can be counted exactly
 */
export function addedTo(book: CounterBook, counter: string, start: number, change: Standing): CounterBook {
  const before = windowAt(book, { counter, start }) ?? { start, ...nothing };
  const after = { ...before, spent: before.spent + change.spent, held: before.held + change.held };
  if (after.spent < 0 || after.held < 0) throw new RangeError(`counter "${counter}" would fall below zero in the window of ${start}`);
  // A soft limit refuses nothing, so nothing else keeps its counter below 2^53.
  if (!Number.isSafeInteger(after.spent + after.held)) throw new RangeError(`counter "${counter}" is full in the window of ${start}`);
  return withWindow(book, counter, after);
}

/** The book with a threshold noted as reported of one limit in one window. */
export function toldIn(
  book: CounterBook,
  { counter, start, limit, threshold }: CounterWindow & { readonly limit: string; readonly threshold: number },
): CounterBook {
  const before = windowAt(book, { counter, start }) ?? { start, ...nothing };
  return withWindow(book, counter, { ...before, told: { ...before.told, [limit]: threshold } });
}

function withWindow(book: CounterBook, counter: string, after: WindowCount): CounterBook {
  const before = book[counter];
  // Nearly always: there is the one window that goes on.
  if (!before || (before.length === 1 && before[0]?.start === after.start)) return { ...book, [counter]: [after] };
  const others = before.filter((window) => window.start !== after.start);
  const all = [...others, after].sort((one, other) => other.start - one.start);
  return { ...book, [counter]: all.filter((window, rank) => rank < windowsKept || window === after || window.held > 0) };
}

const nothing: Standing = { spent: 0, held: 0 };
