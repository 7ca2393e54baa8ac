import type { Calendar } from '../../domain/calendar.ts';
import { standingAt } from '../../domain/counters.ts';
import { accountLimitsOf, type Limit, limitsOf } from '../../domain/limits.ts';
import type { Ledger, UsageLine } from '../../ports/ledger.ts';
import { totalLines } from './known-totals.ts';
import type { Tables } from './tables.ts';

/** Every limit of a key and its ancestors, then those of its account, then the balance. */
export function usage(tables: Tables, calendar: Calendar, { key, ancestors, now }: Parameters<Ledger['usage']>[0]): UsageLine[] {
  const lines = [key, ...ancestors].flatMap((each) => [
    ...limitsOf(each, calendar, now).map((limit) => lineOf(tables, limit)),
    ...totalLines(tables, { holder: each.id, calendar, now }),
  ]);
  const account = key.accountId === undefined ? undefined : tables.accounts.get(key.accountId);
  if (!account) return lines;
  const limits = accountLimitsOf(account, calendar, now).map((limit) => lineOf(tables, limit));
  const { id, balance, held } = account;
  return [...lines, ...limits, { limitName: `account:${id} balance`, unit: 'micros', limit: balance, spent: 0, held }];
}

function lineOf(tables: Tables, { holder, counter, limitName, unit, limit, soft, start, end }: Limit): UsageLine {
  const { spent, held } = standingAt(tables.counters.get(holder) ?? {}, counter, start);
  return { limitName, unit, limit, spent, held, ...(end !== undefined && { resetAt: end }), ...(soft && { soft }) };
}
