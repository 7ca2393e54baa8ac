import type { Calendar } from '../../domain/calendar.ts';
import { addedTo, type CounterBook, standingAt } from '../../domain/counters.ts';
import type { Per } from '../../domain/key.ts';
import type { ArgumentTotal, LimitBreach, UsageLine } from '../../ports/ledger.ts';

/** A call's share of one running total of an argument, in the window of its admit. In millionths. */
export interface TotalTaking {
  readonly counter: string;
  readonly start: number;
  readonly amount: number;
}

/** Counter name to the total as the last admitted call stated it: rules state limits, the store only counts, and a report needs both. */
export type KnownTotals = Readonly<Record<string, KnownTotal>>;

interface KnownTotal {
  readonly name: string;
  readonly per: Per;
  readonly zone: string;
  readonly limit: number;
}

/** @throws Error for totals that contradict themselves: a share that is no whole number, or two shares of one total */
export function checkTotals(totals: readonly ArgumentTotal[]): void {
  const shares = new Map<string, number>();
  for (const total of totals) {
    const { amount, limit } = total;
    if (!Number.isSafeInteger(amount) || amount < 0) throw new Error('A share of a total is a whole number of millionths, 0 or more.');
    if (!Number.isSafeInteger(limit) || limit < 0) throw new Error('The limit of a total is a whole number of millionths, 0 or more.');
    const counter = counterOf(total);
    if ((shares.get(counter) ?? amount) !== amount) throw new Error(`A call has one share of the ${counter}.`);
    shares.set(counter, amount);
  }
}

/** The key's book with every share held, or the first total without room. Two limits of one total hold its share once. */
export function takeTotals(
  before: { book: CounterBook; known: KnownTotals },
  { calendar, keyId, totals, now }: { calendar: Calendar; keyId: string; totals: readonly ArgumentTotal[]; now: number },
): { breach: LimitBreach } | { book: CounterBook; takings: TotalTaking[]; known: KnownTotals | undefined } {
  let { book } = before;
  const stated = new Map<string, KnownTotal>();
  const takings: TotalTaking[] = [];
  for (const total of totals) {
    const { name, amount, limit, per, zone } = total;
    const counter = counterOf(total);
    const { start, end } = windowOf(calendar, total, now);
    const { spent, held } = standingAt(before.book, counter, start);
    if (spent + held + amount > limit) {
      const reset = end === undefined ? {} : { resetAt: end };
      return { breach: { reason: 'POLICY_DENIED', limitName: nameOf(keyId, total), unit: 'micros', limit, spent, held, ...reset } };
    }
    const tighter = Math.min(limit, stated.get(counter)?.limit ?? limit);
    if (!stated.has(counter)) {
      book = addedTo(book, counter, start, { spent: 0, held: amount });
      takings.push({ counter, start, amount });
    }
    stated.set(counter, { name, per, zone, limit: tighter });
  }
  const differs = [...stated].some(([counter, total]) => JSON.stringify(before.known[counter]) !== JSON.stringify(total));
  return { book, takings, known: differs ? { ...before.known, ...Object.fromEntries(stated) } : undefined };
}

/** The totals that count something in the window of now. */
export function totalLines(
  { book, known }: { book: CounterBook; known: KnownTotals },
  { calendar, keyId, now }: { calendar: Calendar; keyId: string; now: number },
): UsageLine[] {
  return Object.entries(known).flatMap(([counter, total]): UsageLine[] => {
    const { start, end } = windowOf(calendar, total, now);
    if (!book[counter]?.some((window) => window.start === start)) return [];
    const { spent, held } = standingAt(book, counter, start);
    const { limit } = total;
    return [{ limitName: nameOf(keyId, total), unit: 'micros', limit, spent, held, ...(end !== undefined && { resetAt: end }) }];
  });
}

/** A total that never resets follows no calendar, so its zone has no say in what it counts. */
function counterOf({ name, per, zone }: Pick<KnownTotal, 'name' | 'per' | 'zone'>): string {
  return `total ${name} ${per} ${per === 'total' ? '' : zone}`;
}

function nameOf(keyId: string, { name, per }: Pick<KnownTotal, 'name' | 'per'>): string {
  return `key:${keyId} total ${name} ${per}`;
}

function windowOf(
  calendar: Calendar,
  { per, zone }: Pick<KnownTotal, 'per' | 'zone'>,
  now: number,
): { start: number; end: number | undefined } {
  return per === 'total' ? { start: 0, end: undefined } : calendar.window(per, zone, now);
}
