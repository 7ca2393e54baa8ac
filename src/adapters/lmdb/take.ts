import type { Calendar } from '../../domain/calendar.ts';
import { addedTo, type CounterBook, standingAt } from '../../domain/counters.ts';
import type { KeyRecord } from '../../domain/key.ts';
import { countsAgainst, hasRoom, type Limit, limitsOf, type Standing } from '../../domain/limits.ts';
import type { Account, AdmitRequest, LimitBreach } from '../../ports/ledger.ts';
import type { Taking } from './reservation.ts';
import type { Tables } from './tables.ts';
import { type KnownTotals, type TotalTaking, takeTotals } from './totals.ts';

/** What a call asks of limits. */
export type Call = Pick<AdmitRequest, 'counts' | 'tool' | 'price' | 'totals' | 'now'>;

/** All that a call takes, computed and not written yet. */
export interface Taken {
  readonly books: ReadonlyMap<string, CounterBook>;
  readonly takings: readonly Taking[];
  readonly totals: readonly TotalTaking[];
  /** What is known of the totals, where that changed. */
  readonly known: KnownTotals | undefined;
  /** The paying account with the price held, where one pays. */
  readonly holding: Account | undefined;
}

/**
 * Every limit of a call: the counters of the key and its ancestors, their running totals, the account's balance. Answers what the
 * call would take, or the first limit without room. Reads only.
 * @param options.keys  the key, then its ancestors
 */
export function take(
  tables: Tables,
  { calendar, call, keys }: { calendar: Calendar; call: Call; keys: readonly [KeyRecord, ...KeyRecord[]] },
): { readonly breach: LimitBreach } | { readonly taken: Taken } {
  const [key] = keys;
  const { id } = totalsKey(keys);
  const counted = takeCounts(tables, { calendar, call, keys });
  if ('breach' in counted) return counted;
  const { books, takings } = counted;
  const before = { book: books.get(id) ?? tables.counters.get(id) ?? {}, known: tables.totals.get(id) ?? {} };
  const totalled = takeTotals(before, { calendar, keyId: id, totals: call.totals ?? [], now: call.now });
  if ('breach' in totalled) return totalled;
  if (totalled.takings.length > 0) books.set(id, totalled.book);
  const account = payingAccount(tables, call, key);
  if ('breach' in account) return account;
  return { taken: { books, takings, totals: totalled.takings, known: totalled.known, holding: account.holding } };
}

/**
 * Whose running totals a call counts in. A rule states one limit for every key, so whatever has room at the topmost has room at each below it;
 * counted for each key alone, a key would have the limit anew for every child that it mints (I7).
 */
export function totalsKey(keys: readonly [KeyRecord, ...KeyRecord[]]): KeyRecord {
  return keys.at(-1) ?? keys[0];
}

/** The counters of the key and of every ancestor as they would be, or the first limit without room. */
function takeCounts(
  tables: Tables,
  { calendar, call, keys }: { calendar: Calendar; call: Call; keys: readonly KeyRecord[] },
): { breach: LimitBreach } | { books: Map<string, CounterBook>; takings: Taking[] } {
  const books = new Map<string, CounterBook>();
  const takings: Taking[] = [];
  if (!call.counts) return { books, takings };
  const { tool, price, now } = call;
  for (const key of keys) {
    const limits = limitsOf(key, calendar, now).filter((limit) => countsAgainst(limit, { tool, price }));
    if (limits.length === 0) continue;
    const before = tables.counters.get(key.id) ?? {};
    let book = before;
    const taken = new Set<string>();
    for (const limit of limits) {
      const standing = standingAt(before, limit.counter, limit.start);
      if (!hasRoom(limit, standing, price)) return { breach: breachOf(limit, standing) };
      if (taken.has(limit.counter)) continue;
      taken.add(limit.counter);
      const inMoney = limit.unit === 'micros';
      book = addedTo(book, limit.counter, limit.start, inMoney ? { spent: 0, held: price } : { spent: 1, held: 0 });
      if (inMoney) takings.push({ keyId: key.id, counter: limit.counter, start: limit.start });
    }
    books.set(key.id, book);
  }
  return { books, takings };
}

function breachOf({ reason, limitName, unit, limit, end }: Limit, { spent, held }: Standing): LimitBreach {
  return { reason, limitName, unit, limit, spent, held, ...(end !== undefined && { resetAt: end }) };
}

/** The account with the price held, where one pays. Test keys spend test money: no balance is touched. */
function payingAccount(tables: Tables, { price }: Call, key: KeyRecord): { breach: LimitBreach } | { holding: Account | undefined } {
  if (price === 0 || key.accountId === undefined || key.environment !== 'live') return { holding: undefined };
  const account = tables.accounts.get(key.accountId);
  const { balance, held } = account ?? { balance: 0, held: 0 };
  if (account && balance - held >= price) return { holding: { ...account, held: held + price } };
  const limitName = `account:${key.accountId} balance`;
  return { breach: { reason: 'BALANCE_EXHAUSTED', limitName, unit: 'micros', limit: balance, spent: 0, held } };
}
