import { afterEach, expect, it } from 'vitest';
import { formatMicros, parseMicros } from '../../src/domain/money.ts';
import { startRecordingUpstream } from '../support/recording-upstream.ts';
import { startRedis } from '../support/redis-server.ts';
import type { Outcome } from '../support/replica-call.ts';
import { compareSums, toolsSeen } from '../support/replica-sums.ts';
import { type MintedKey, startReplicas } from '../support/replicas.ts';

const priceMicros = 7_003; // nothing that rounds well
const callsPerKey = 200;
const affordable = 1_600;
/** Of the last call that is not affordable any more: a balance need not be a multiple of the price. */
const restMicros = priceMicros - 1;

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

it('four gateways, 16 keys of one account, 3,200 calls at once for 1,600 that are paid for: all sums agree to the micro-unit (I2, I8)', async () => {
  const redis = await startRedis({ appendonly: 'always' });
  closers.push(() => redis.stop());
  const upstream = await startRecordingUpstream({ sessions: false });
  closers.push(() => upstream.close());
  const replicas = await startReplicas({ store: redis.url, upstreamUrl: upstream.url, price: formatMicros(priceMicros), count: 4 });
  closers.push(() => replicas.remove());

  const credited = formatMicros(affordable * priceMicros + restMicros);
  await replicas.fund('payer', credited);
  const budget = (calls: number) => ({ budgets: [{ amount: formatMicros(calls * priceMicros), per: 'total' }] });
  const mint = (request: Record<string, unknown>, place: number) => replicas.mint({ accountId: 'payer', ...request }, place % 4);
  // Keys that run out early, parents whose children eat into their budgets, and keys that only the balance stops: 1,870 calls in all.
  const keys: MintedKey[] = [];
  for (let place = 0; place < 4; place += 1) {
    const parent = await mint(budget(250), place);
    keys.push(
      parent,
      await replicas.mint({ parentId: parent.id, ...budget(60) }, (place + 1) % 4),
      await mint(budget(40), place + 2),
      await mint({ ...budget(190), ...(place === 0 ? { caps: [{ calls: 100, per: 'total' }] } : {}) }, place + 3),
    );
  }
  expect(keys.length).toBe(16);

  const outcomes = await Promise.all(
    keys.flatMap((key, place) =>
      Array.from({ length: callsPerKey }, async (_, nth): Promise<Outcome & { keyId: string }> => {
        const replica = replicas.all[(place + nth) % 4];
        if (replica === undefined) throw new Error('there are four replicas');
        return { keyId: key.id, ...(await replica.call(key.key, `tool_${place}_${nth}`)) };
      }),
    ),
  );

  const limits = ['BALANCE_EXHAUSTED', 'BUDGET_EXHAUSTED', 'CAP_EXCEEDED'];
  expect(Object.keys(countBy(outcomes, ({ result }) => result)).sort()).toEqual([...limits, 'passed']);
  const passed = outcomes.filter(({ result }) => result === 'passed');
  const seen = toolsSeen(upstream);
  expect([...seen].sort()).toEqual(passed.map(({ tool }) => tool).sort());
  // No more than the balance pays for, and no less: a refusal while money is left would be wrong too.
  expect(seen.length).toBe(affordable);

  const sums = await compareSums(replicas, {
    ...{ upstream, priceMicros, accounts: new Map([['payer', credited]]) },
    keyIds: keys.map(({ id }) => id),
  });
  expect(sums.wrong).toEqual([]);
  expect(sums.charged).toBe(affordable * priceMicros);
  expect(sums.intents.length).toBe(affordable);

  // What a refusal says was used up is used up: nothing was given back meanwhile, so it shows at the end.
  const spentOf = (id: string) => sums.intents.filter(({ keyId, parentIds }) => keyId === id || parentIds?.includes(id)).length;
  const refused = outcomes.filter(({ result }) => result !== 'passed');
  const wrongly = refused.filter(({ result, facts }) => {
    const [, holder = ''] = /^key:(\w+) /.exec(String(facts['rule'])) ?? [];
    if (result === 'BALANCE_EXHAUSTED') return false; // the balance pays for no further call: `charged` above
    if (result === 'BUDGET_EXHAUSTED') return !(spentOf(holder) * priceMicros === parseMicros(String(facts['limit'])));
    return !(result === 'CAP_EXCEEDED' && spentOf(holder) === facts['limit'] && facts['limit'] === 100);
  });
  expect(wrongly).toEqual([]);
  const onRecord = sums.records.filter(({ kind }) => kind === 'call.refused');
  expect(countBy(onRecord, ({ reason }) => String(reason))).toEqual(countBy(refused, ({ result }) => result));

  const shown = await replicas.cli('accounts', 'show', 'payer', '--json');
  expect(JSON.parse(shown.stdout)).toMatchObject({ balance: formatMicros(restMicros), held: '0' });
});

function countBy<T>(all: readonly T[], of: (one: T) => string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const one of all) counts[of(one)] = (counts[of(one)] ?? 0) + 1;
  return counts;
}
