import type { Calendar } from './calendar.ts';
import type { KeyRecord } from './key.ts';
import { type AccountLimits, accountLimitsOf, countsAgainst, type Limit, limitsOf, windowOf } from './limits.ts';
import { checkTotals, type TotalShare, totalCounter, totalName } from './totals.ts';

/**
 * What becomes of a taking. `at-once`: spent when the call is admitted, and never given back (calls). `by-charge`: held until the
 * call is settled, then the charge is spent (money). `by-share`: held, then spent whole unless the call was released (totals of arguments).
 */
export type Settling = 'at-once' | 'by-charge' | 'by-share';

/** What one call takes from one counter, and the limits that read the counter. */
export interface Taking {
  /** A key's id, or `account:<id>`. */
  readonly holder: string;
  readonly counter: string;
  /** The counter's window, ms since the epoch; 0 and undefined where it never resets. */
  readonly start: number;
  readonly end: number | undefined;
  readonly unit: 'micros' | 'calls';
  readonly amount: number;
  readonly settling: Settling;
  readonly limits: readonly TakingLimit[];
}

export interface TakingLimit {
  readonly limitName: string;
  readonly reason: 'BUDGET_EXHAUSTED' | 'CAP_EXCEEDED' | 'POLICY_DENIED';
  readonly limit: number;
  /** Warns where it is passed, and refuses nothing. */
  readonly soft: boolean;
}

/** What a call asks of limits. */
export interface Call {
  readonly counts: boolean;
  readonly tool?: string | undefined;
  readonly price: number;
  readonly totals?: readonly TotalShare[] | undefined;
  readonly now: number;
}

/**
 * Everything a call takes besides the balance, in the order in which limits are judged: the key's counters, its ancestors' from the
 * parent up, the account's, and the running totals. Pure: whoever commits it must know that the records are still the stored ones.
 * @param options.keys  the key, then its ancestors
 * @param options.account  the account's limits, for a live key that has one
 * @throws Error for totals that contradict themselves
 */
export function planTakings(options: {
  keys: readonly [KeyRecord, ...KeyRecord[]];
  account: AccountLimits | undefined;
  call: Call;
  calendar: Calendar;
}): Taking[] {
  const { keys, account, call, calendar } = options;
  const { now, totals = [] } = call;
  checkTotals(totals);
  const counted = call.counts
    ? [...keys.flatMap((key) => limitsOf(key, calendar, now)), ...(account ? accountLimitsOf(account, calendar, now) : [])]
    : [];
  return [...takingsOf(counted, call), ...totalTakings(totals, { holder: totalsHolder(keys), calendar, now })];
}

/**
 * Whose running totals a call counts in. A rule states one limit for every key, so whatever has room at the topmost has room at each below it;
 * counted for each key alone, a key would have the limit anew for every child that it mints (I7).
 */
export function totalsHolder(keys: readonly [KeyRecord, ...KeyRecord[]]): string {
  return (keys.at(-1) ?? keys[0]).id;
}

/** The account whose balance a call is paid from, or undefined. Test keys spend test money: no balance is touched, nor any limit of an account. */
export function payingAccount(key: Pick<KeyRecord, 'accountId' | 'environment'>): string | undefined {
  return key.environment === 'live' ? key.accountId : undefined;
}

function takingsOf(limits: readonly Limit[], call: Call): Taking[] {
  const takings: (Taking & { readonly limits: TakingLimit[] })[] = [];
  for (const limit of limits) {
    if (!countsAgainst(limit, call)) continue;
    const { holder, counter, start, end, unit, limitName, reason, soft } = limit;
    const one: TakingLimit = { limitName, reason, limit: limit.limit, soft };
    // A key has few limits: looking through them costs less than naming them.
    const same = takings.find((taking) => taking.counter === counter && taking.holder === holder);
    if (same) same.limits.push(one);
    else {
      const [amount, settling] = unit === 'calls' ? ([1, 'at-once'] as const) : ([call.price, 'by-charge'] as const);
      takings.push({ holder, counter, start, end, unit, amount, settling, limits: [one] });
    }
  }
  return takings;
}

/** What a call takes of each total, for the key that counts it. Two limits of one total take its share once. */
function totalTakings(
  totals: readonly TotalShare[],
  { holder, calendar, now }: { holder: string; calendar: Calendar; now: number },
): Taking[] {
  const takings = new Map<string, Taking>();
  for (const total of totals) {
    const { amount, limit } = total;
    const counter = totalCounter(total);
    const one = { limitName: totalName(holder, total), reason: 'POLICY_DENIED', limit, soft: false } as const;
    const window = windowOf(calendar, total, now);
    const taking = takings.get(counter) ?? { holder, counter, ...window, unit: 'micros', amount, settling: 'by-share', limits: [] };
    takings.set(counter, { ...taking, limits: [...taking.limits, one] });
  }
  return [...takings.values()];
}

/** Whether an amount more fits under a limit. */
export function hasRoom({ limit }: TakingLimit, { spent, held }: { spent: number; held: number }, amount: number): boolean {
  return spent + held + amount <= limit;
}

/** Names a limit among those of its counter. Two may share a name and differ in what they allow; one that was changed is another one. */
export function limitKey({ limitName, limit }: Pick<TakingLimit, 'limitName' | 'limit'>): string {
  return `${limit} ${limitName}`;
}

const smallMax = Math.floor(Number.MAX_SAFE_INTEGER / 100);

/**
 * The highest threshold that what is spent has reached, or 0. Compared in whole numbers, without rounding.
 * @param options.thresholds whole percentages up to 100, in rising order
 */
export function thresholdReached({ spent, limit, thresholds }: { spent: number; limit: number; thresholds: readonly number[] }): number {
  // What is no amount is never reached: a report may not stand in the way of the commit that it would be part of.
  if (!Number.isSafeInteger(spent) || !Number.isSafeInteger(limit)) return 0;
  // Below 2^53 / 100 plain numbers are as exact, and far cheaper.
  if (spent <= smallMax && limit <= smallMax) {
    for (let at = thresholds.length - 1; at >= 0; at -= 1) {
      const threshold = thresholds[at] ?? 0;
      if (spent * 100 >= limit * threshold) return threshold;
    }
    return 0;
  }
  return thresholds.findLast((threshold) => BigInt(spent) * 100n >= BigInt(limit) * BigInt(threshold)) ?? 0;
}
