import type { Calendar } from '../../domain/calendar.ts';
import type { KeyRecord } from '../../domain/key.ts';
import { type KnownAccount, type PlannedCall, planOf } from './plan.ts';

/** Plans of calls, as planText() writes them. */
export type Plans = (call: PlannedCall, account: KnownAccount | undefined) => string;

interface Last {
  readonly call: PlannedCall;
  readonly account: KnownAccount | undefined;
  readonly text: string;
  readonly from: number;
  readonly until: number;
}

/**
 * Remembers the last plan of each key record, for as long as the record is: most calls of a key are like the one before, and a plan has no times but
 * those of windows. Nothing is believed for it: the script judges the plan by what is stored, as it does any other.
 */
export function createPlans(calendar: Calendar): Plans {
  const lastOf = new WeakMap<KeyRecord, Last>();
  return (call, account) => {
    const last = lastOf.get(call.key);
    if (last && last.account === account && alike(last.call, call) && call.now >= last.from && call.now < last.until) return last.text;
    const made = planOf({ call, account, calendar });
    // Totals are of the arguments: seldom twice the same.
    if ((call.totals?.length ?? 0) === 0) lastOf.set(call.key, { ...made, account, call: termsOf(call) });
    return made.text;
  };
}

/** All that a plan is made of, besides the key and the account. */
function alike(one: PlannedCall, other: PlannedCall): boolean {
  return (
    one.ancestors === other.ancestors &&
    one.counts === other.counts &&
    one.tool === other.tool &&
    one.price === other.price &&
    one.onExpiry === other.onExpiry &&
    (other.totals?.length ?? 0) === 0
  );
}

/** Without what else a request has, such as the facts of its intent, which would be kept with it. */
function termsOf({ key, ancestors, counts, tool, price, now, onExpiry }: PlannedCall): PlannedCall {
  return { key, ancestors, counts, tool, price, now, ...(onExpiry && { onExpiry }) };
}
