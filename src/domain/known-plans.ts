import type { Calendar } from './calendar.ts';
import type { KeyRecord } from './key.ts';
import type { AccountLimits } from './limits.ts';
import { type Call, planTakings, type Taking } from './taking.ts';

/** What a call takes, in the order in which limits are judged, and what of it is held until its end. */
export interface Plan {
  readonly takings: readonly Taking[];
  readonly held: readonly Taking[];
}

/** What planTakings() says. @throws Error for totals that contradict themselves */
export type Plans = (asked: {
  /** The key, then its ancestors. */
  readonly keys: readonly [KeyRecord, ...KeyRecord[]];
  readonly account: AccountLimits | undefined;
  readonly call: Call;
}) => Plan;

interface Known {
  readonly plan: Plan;
  readonly keys: readonly KeyRecord[];
  readonly budgets: AccountLimits['budgets'] | undefined;
  readonly caps: AccountLimits['caps'] | undefined;
  readonly from: number;
  readonly until: number;
}

/** Kinds of calls that are remembered of one key; beyond that all of its are forgotten. */
const kindsMax = 32;

/**
 * Plans that are remembered for as long as the windows go on that they take from: the names of limits and counters are texts that each call would put
 * together anew. Whoever changes a key or an account's limits makes another record of it, so a plan holds for as long as it is about the same ones.
 */
export function createKnownPlans(calendar: Calendar): Plans {
  const kindsOf = new WeakMap<KeyRecord, Map<string, Known>>();
  return ({ keys, account, call }) => {
    const totals = call.totals?.length ?? 0;
    // Totals are of the arguments: seldom twice the same.
    if (totals > 0) return planOf(planTakings({ keys, account, call, calendar }));
    const [key] = keys;
    let kinds = kindsOf.get(key);
    if (!kinds) {
      kinds = new Map();
      kindsOf.set(key, kinds);
    }
    const kind = `${call.counts ? '+' : '-'}${call.price} ${call.tool ?? ''}`;
    const known = kinds.get(kind);
    if (known && isAbout(known, keys, account) && call.now >= known.from && call.now < known.until) return known.plan;
    const plan = planOf(planTakings({ keys, account, call, calendar }));
    const from = Math.max(0, ...plan.takings.map(({ start }) => start));
    const until = Math.min(...plan.takings.map(({ end = Number.POSITIVE_INFINITY }) => end), Number.POSITIVE_INFINITY);
    if (kinds.size >= kindsMax) kinds.clear();
    kinds.set(kind, { plan, keys, budgets: account?.budgets, caps: account?.caps, from, until });
    return plan;
  };
}

function planOf(takings: readonly Taking[]): Plan {
  return { takings, held: takings.filter(({ settling }) => settling !== 'at-once') };
}

function isAbout({ keys: known, budgets, caps }: Known, keys: readonly KeyRecord[], account: AccountLimits | undefined): boolean {
  if (known.length !== keys.length || budgets !== account?.budgets || caps !== account?.caps) return false;
  for (let at = 0; at < keys.length; at += 1) if (known[at] !== keys[at]) return false;
  return true;
}
