import { createAccount, creditAccount } from '../../src/authority/accounts.ts';
import { mint } from '../../src/authority/mint.ts';
import { formatMicros, type Micros } from '../../src/domain/money.ts';
import type { SimulatedKey } from './model.ts';
import { scopeOf } from './policy.ts';
import type { World } from './world.ts';

const by = { via: 'cli' } as const;
const account = 'payer';

/** An account with little money, and a few trees of keys with limits that are reached. */
export async function mintKeys(world: World): Promise<void> {
  const { authority, chance } = world;
  await createAccount(authority, account, by);
  await credit(world, chance.between(1, 8) * 500_000);
  for (let trees = chance.between(1, 3); trees > 0; trees -= 1) {
    const top = await mintOne(world, undefined);
    for (let children = chance.between(0, 2); children > 0; children -= 1) {
      const child = await mintOne(world, top);
      if (chance.is(0.3)) await mintOne(world, child);
    }
  }
}

export async function credit({ authority, chance }: World, amount: number): Promise<void> {
  await creditAccount(authority, {
    accountId: account,
    amount: formatMicros(amount as Micros),
    reference: `r${chance.between(0, 1e9)}`,
    by,
  });
}

async function mintOne({ authority, chance, model, clock }: World, parent: SimulatedKey | undefined): Promise<SimulatedKey> {
  /** A child's limit is within its parent's. */
  const maybe = (limit: number, above: number | undefined): number | undefined => {
    return chance.is(0.6) ? Math.min(limit, above ?? limit) : above;
  };
  const total = maybe(chance.between(2, 40) * 100_000, parent?.total);
  const hourly = maybe(chance.between(2, 20) * 100_000, parent?.hourly);
  const callsHourly = maybe(chance.between(2, 25), parent?.callsHourly);
  const rank = chance.between(0, parent?.rank ?? 2);
  const accountId = parent ? parent.account : chance.is(0.6) ? account : undefined;
  const minutes = parent || chance.is(0.6) ? undefined : chance.between(1, 10);
  const budget = (amount: number | undefined, per: string) =>
    amount === undefined ? [] : [{ amount: formatMicros(amount as Micros), per }];
  const request = {
    name: 'simulated',
    scopes: [scopeOf(rank)],
    rate: { calls: 1_000, perSeconds: 1 },
    budgets: [...budget(total, 'total'), ...budget(hourly, 'hour')],
    caps: callsHourly === undefined ? [] : [{ calls: callsHourly, per: 'hour' }],
    ...(parent ? { parentId: parent.id } : accountId === undefined ? {} : { accountId }),
    ...(minutes === undefined ? {} : { ttl: `${minutes}m` }),
  };
  const { key, record } = await mint(authority, request, by);
  const minted: SimulatedKey = {
    ...{ id: record.id, key, line: [record.id, ...(parent?.line ?? [])], account: accountId, rank, revoked: false },
    ...{
      total,
      hourly,
      callsHourly,
      expiresAt: minutes === undefined ? (parent?.expiresAt ?? Number.POSITIVE_INFINITY) : clock.now() + minutes * 60_000,
    },
  };
  model.keys.set(minted.id, minted);
  return minted;
}
