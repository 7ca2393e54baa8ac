import type { Calendar } from '../../domain/calendar.ts';
import type { KeyRecord } from '../../domain/key.ts';
import type { AccountLimits } from '../../domain/limits.ts';
import { payingAccount, planTakings, type Taking, totalsHolder } from '../../domain/taking.ts';
import { knownTotals } from '../../domain/totals.ts';
import type { AdmitRequest } from '../../ports/ledger.ts';

/** What a plan is made of: an admit, or the question what would become of one. */
export type PlannedCall = Pick<AdmitRequest, 'key' | 'ancestors' | 'counts' | 'tool' | 'price' | 'totals' | 'now'> &
  Partial<Pick<AdmitRequest, 'holdUntil' | 'onExpiry'>>;

/** An account's limits as of a revision; revision 0 and no limits where there is no such account. */
export interface KnownAccount extends AccountLimits {
  readonly revision: number;
}

/** The account whose limits and balance a call is judged by; undefined where it takes nothing from one. */
export function accountOf({ key, counts, price }: PlannedCall): string | undefined {
  return counts || price > 0 ? payingAccount(key) : undefined;
}

/**
 * What a call takes, as admit.lua needs to know it, in JSON; the reservation keeps it for its settle. Arrays stand for records, because each byte is
 * read by the server, which has one thread for all. Nothing in it differs between two calls of one kind in one window: the server reads it once for
 * all that share a script.
 * @param options.account  what is known of `accountOf(call)`; the script says where it is out of date
 * @throws Error for totals that contradict themselves, and for limits that are no whole numbers
 */
export function planText(options: PlanOptions): string {
  return planOf(options).text;
}

interface PlanOptions {
  readonly call: PlannedCall;
  readonly account: KnownAccount | undefined;
  readonly calendar: Calendar;
}

/** As planText(), with the times between which, the last one excluded, such a call has the same plan: the windows that it takes from end there. */
export function planOf({ call, account, calendar }: PlanOptions): { text: string; from: number; until: number } {
  const { key, price, totals = [], onExpiry } = call;
  const judged = new Map([key, ...call.ancestors].map((each) => [each.id, each]));
  const ancestors = key.parentIds.map((id) => judged.get(id));
  const line = [key.id, key.revision, ...key.parentIds.flatMap((id) => [id, judged.get(id)?.revision ?? -1])];
  // Where an ancestor was not judged, the line says so, and nothing else is looked at.
  const keys: readonly [KeyRecord, ...KeyRecord[]] = [key, ...ancestors.filter((each) => each !== undefined)];
  const takings = planTakings({ keys, account, call, calendar });
  const known =
    totals.length === 0
      ? undefined
      : [totalsHolder(keys), ...[...knownTotals(totals)].flatMap(([name, total]) => [name, JSON.stringify(total)])];
  const text = JSON.stringify({
    key: key.id,
    price,
    line,
    takings: takings.map(takingOf),
    ...(account && { account: account.id, revision: account.revision }),
    ...(onExpiry === 'none' && { none: true }),
    ...(known && { totals: known }),
  });
  const from = Math.max(...takings.map(({ start }) => start));
  return { text, from, until: Math.min(...takings.map(({ end = Number.POSITIVE_INFINITY }) => end)) };
}

/** As ledger.lua reads it. A number that Lua would not find would end the script for every call that shares it. */
function takingOf({ holder, counter, start, end = 0, amount, settling, limits }: Taking): unknown[] {
  const numbers = [start, end, amount, ...limits.map(({ limit }) => limit)];
  if (!numbers.every(Number.isSafeInteger)) throw new Error(`A limit of ${holder} is no whole number, or its window has no bounds.`);
  return [
    holder,
    counter,
    start,
    end,
    amount,
    settling,
    ...limits.flatMap(({ limit, soft, limitName }) => [limit, soft ? 1 : 0, limitName]),
  ];
}
