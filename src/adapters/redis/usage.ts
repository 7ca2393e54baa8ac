import type { Calendar } from '../../domain/calendar.ts';
import { rootOf } from '../../domain/key.ts';
import { accountHolder, accountLimitsOf, type Limit, limitsOf, type Standing, windowOf } from '../../domain/limits.ts';
import { type KnownTotal, totalName } from '../../domain/totals.ts';
import type { Ledger, UsageLine } from '../../ports/ledger.ts';
import { readAccount } from './accounts.ts';
import type { Connection } from './connection.ts';
import { inPartition, partitionOf } from './layout.ts';

/** Every limit of a key and its ancestors, then those of its account, then the balance. Each holder's lines are of one moment. */
export async function usage(
  connection: Connection,
  calendar: Calendar,
  { key, ancestors, now }: Parameters<Ledger['usage']>[0],
): Promise<UsageLine[]> {
  const partition = partitionOf(rootOf(key));
  const { accountId } = key;
  const [lines, account, accountCounters] = await Promise.all([
    Promise.all(
      [key, ...ancestors].map(async (each): Promise<UsageLine[]> => {
        const read = [inPartition.counters(partition, each.id), inPartition.totals(partition, each.id)];
        const [counters = {}, totals = {}] = await Promise.all(read.map((name) => connection.client.hgetall(name)));
        const own = limitsOf(each, calendar, now).map((limit) => lineOf(counters, limit));
        return [...own, ...totalLines({ counters, totals }, { holder: each.id, calendar, now })];
      }),
    ),
    accountId === undefined ? undefined : readAccount(connection, accountId),
    accountId === undefined ? {} : connection.client.hgetall(inPartition.counters(partition, accountHolder(accountId))),
  ]);
  if (!account) return lines.flat();
  const { id, balance, held } = account;
  const limits = accountLimitsOf(account, calendar, now).map((limit) => lineOf(accountCounters, limit));
  return [...lines.flat(), ...limits, { limitName: `account:${id} balance`, unit: 'micros', limit: balance, spent: 0, held }];
}

/** Counter to its windows, as ledger.lua writes them: a JSON array of four members for each, start, spent, held and what was told of limits. */
type Counters = Readonly<Record<string, string>>;

function standingAt(counters: Counters, { counter, start }: { counter: string; start: number }): Standing | undefined {
  const windows = JSON.parse(counters[counter] ?? '[]') as unknown[];
  for (let at = 0; at < windows.length; at += 4) {
    if (windows[at] === start) return { spent: Number(windows[at + 1]), held: Number(windows[at + 2]) };
  }
  return undefined;
}

function lineOf(counters: Counters, limit: Limit): UsageLine {
  const { limitName, unit, soft, end } = limit;
  const { spent, held } = standingAt(counters, limit) ?? { spent: 0, held: 0 };
  return { limitName, unit, limit: limit.limit, spent, held, ...(end !== undefined && { resetAt: end }), ...(soft && { soft }) };
}

/** The totals of a key that count something in the window of now, by kind of window and name. */
function totalLines(
  { counters, totals }: { counters: Counters; totals: Readonly<Record<string, string>> },
  { holder, calendar, now }: { holder: string; calendar: Calendar; now: number },
): UsageLine[] {
  const known = Object.entries(totals).map(([counter, text]) => ({ counter, total: JSON.parse(text) as KnownTotal }));
  known.sort((one, other) => compare(one.total.per, other.total.per) || compare(one.total.name, other.total.name));
  return known.flatMap(({ counter, total }): UsageLine[] => {
    const { start, end } = windowOf(calendar, total, now);
    const standing = standingAt(counters, { counter, start });
    if (!standing) return [];
    const { limit } = total;
    return [{ limitName: totalName(holder, total), unit: 'micros', limit, ...standing, ...(end !== undefined && { resetAt: end }) }];
  });
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
