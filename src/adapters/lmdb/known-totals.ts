import type { Calendar } from '../../domain/calendar.ts';
import { standingAt, windowAt } from '../../domain/counters.ts';
import { windowOf } from '../../domain/limits.ts';
import { type KnownTotal, knownTotals, type TotalShare, totalName } from '../../domain/totals.ts';
import type { UsageLine } from '../../ports/ledger.ts';
import type { Tables } from './tables.ts';

/** What is to be known of a key's totals once these have been taken; undefined where it is known already. */
export function learntTotals(
  tables: Tables,
  holder: string,
  totals: readonly TotalShare[],
): Readonly<Record<string, KnownTotal>> | undefined {
  if (totals.length === 0) return undefined;
  const before = tables.totals.get(holder) ?? {};
  const stated = knownTotals(totals);
  const differs = [...stated].some(([counter, total]) => JSON.stringify(before[counter]) !== JSON.stringify(total));
  return differs ? { ...before, ...Object.fromEntries(stated) } : undefined;
}

/** The totals of a key that count something in the window of now. */
export function totalLines(tables: Tables, { holder, calendar, now }: { holder: string; calendar: Calendar; now: number }): UsageLine[] {
  const book = tables.counters.get(holder) ?? {};
  return Object.entries(tables.totals.get(holder) ?? {}).flatMap(([counter, total]): UsageLine[] => {
    const { start, end } = windowOf(calendar, total, now);
    if (!windowAt(book, { counter, start })) return [];
    const { spent, held } = standingAt(book, counter, start);
    const { limit } = total;
    return [{ limitName: totalName(holder, total), unit: 'micros', limit, spent, held, ...(end !== undefined && { resetAt: end }) }];
  });
}
