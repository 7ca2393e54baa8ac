import type { Per } from './key.ts';
import { zoneOf } from './limits.ts';

/** A call's share of a running total of an argument, as a rule states it. Amounts in millionths. */
export interface TotalShare {
  readonly name: string;
  readonly amount: number;
  readonly limit: number;
  readonly per: Per;
  readonly zone: string;
}

/** A total as the last admitted call stated it: rules state limits, the store only counts, and a report needs both. */
export type KnownTotal = Omit<TotalShare, 'amount'>;

/** @throws Error for totals that contradict themselves: a share that is no whole number, or two shares of one total */
export function checkTotals(totals: readonly TotalShare[]): void {
  const shares = new Map<string, number>();
  for (const total of totals) {
    const { amount, limit } = total;
    if (!Number.isSafeInteger(amount) || amount < 0) throw new Error('A share of a total is a whole number of millionths, 0 or more.');
    if (!Number.isSafeInteger(limit) || limit < 0) throw new Error('The limit of a total is a whole number of millionths, 0 or more.');
    const counter = totalCounter(total);
    if ((shares.get(counter) ?? amount) !== amount) throw new Error(`A call has one share of the ${counter}.`);
    shares.set(counter, amount);
  }
}

/** Counter to what is to be known of it; of two limits of one total, the tighter. */
export function knownTotals(totals: readonly TotalShare[]): Map<string, KnownTotal> {
  const known = new Map<string, KnownTotal>();
  for (const total of totals) {
    const { name, per, zone, limit } = total;
    const counter = totalCounter(total);
    known.set(counter, { name, per, zone, limit: Math.min(limit, known.get(counter)?.limit ?? limit) });
  }
  return known;
}

/** Names a total's counter within its key. One that never resets follows no calendar, so its zone has no say in what it counts. */
export function totalCounter({ name, per, zone }: Pick<KnownTotal, 'name' | 'per' | 'zone'>): string {
  return `total ${name} ${per} ${zoneOf(per, zone)}`;
}

export function totalName(holder: string, { name, per }: Pick<KnownTotal, 'name' | 'per'>): string {
  return `key:${holder} total ${name} ${per}`;
}
