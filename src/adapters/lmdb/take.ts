import type { KeyRecord } from '../../domain/key.ts';
import type { Plan, Plans } from '../../domain/known-plans.ts';
import { hasRoom, payingAccount, type Taking, type TakingLimit } from '../../domain/taking.ts';
import type { Account, AdmitRequest, LimitBreach } from '../../ports/ledger.ts';
import type { Books } from './books.ts';

/** What a call asks of limits. */
export type Call = Pick<AdmitRequest, 'counts' | 'tool' | 'price' | 'totals' | 'now'>;

/** What a call would take, or the first limit without room. */
export type Judged =
  | { readonly breach: LimitBreach; readonly by?: { readonly taking: Taking; readonly limit: TakingLimit } }
  | {
      readonly plan: Plan;
      /** Soft limits that the call goes beyond. */
      readonly over: readonly string[];
      /** The account that holds the price, where one pays. */
      readonly paying: Account | undefined;
    };

/**
 * Every limit of a call: the counters of the key, its ancestors and its account, their running totals, the balance. Reads only.
 * @param options.keys  the stored records of the key, then of its ancestors
 * @throws Error for totals that contradict themselves
 */
export function judgeLimits(
  books: Books,
  { plans, call, keys }: { plans: Plans; call: Call; keys: readonly [KeyRecord, ...KeyRecord[]] },
): Judged {
  const [key] = keys;
  const accountId = payingAccount(key);
  const account = accountId === undefined ? undefined : books.account(accountId);
  const plan = plans({ keys, account, call });
  const { takings } = plan;
  const over = new Set<string>();
  for (const taking of takings) {
    const standing = books.standing(taking);
    for (const limit of taking.limits) {
      if (hasRoom(limit, standing, taking.amount)) continue;
      if (!limit.soft) return { breach: breachOf(taking, limit, standing), by: { taking, limit } };
      over.add(limit.limitName);
    }
  }
  const { price } = call;
  if (price === 0 || accountId === undefined) return { plan, over: [...over], paying: undefined };
  const { balance, held } = account ?? { balance: 0, held: 0 };
  if (account && price <= balance - held) return { plan, over: [...over], paying: account };
  const limitName = `account:${accountId} balance`;
  return { breach: { reason: 'BALANCE_EXHAUSTED', limitName, unit: 'micros', limit: balance, spent: 0, held } };
}

function breachOf(
  { unit, end }: Taking,
  { reason, limitName, limit }: TakingLimit,
  { spent, held }: { spent: number; held: number },
): LimitBreach {
  return { reason, limitName, unit, limit, spent, held, ...(end !== undefined && { resetAt: end }) };
}
