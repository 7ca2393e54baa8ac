import { afterEach, expect, it } from 'vitest';
import { partitionOf } from '../../src/adapters/redis/layout.ts';
import { formatMicros } from '../../src/domain/money.ts';
import { startRecordingUpstream } from '../support/recording-upstream.ts';
import { startRedisCluster } from '../support/redis-cluster.ts';
import type { Outcome } from '../support/replica-call.ts';
import { startLoad } from '../support/replica-load.ts';
import { compareSums, toolsSeen } from '../support/replica-sums.ts';
import { startReplicas } from '../support/replicas.ts';

const priceMicros = 10_001;
const accountCount = 100;
const affordable = 12;
/** Of the account whose slot moves, so that money is left while it does. */
const moverAffordable = 300;
const callers = 24;
/** Of the move, key by key. */
const stepsWatched = 3;

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

it('on a cluster: 100 accounts over all nodes, a slot in use moves to another node meanwhile, and each account pays for exactly what it can', async () => {
  const cluster = await startRedisCluster({ nodes: 3, appendonly: 'always' });
  closers.push(() => cluster.stop());
  const upstream = await startRecordingUpstream({ sessions: false });
  closers.push(() => upstream.close());
  const replicas = await startReplicas({
    ...{ store: cluster.url, upstreamUrl: upstream.url, price: formatMicros(priceMicros), count: 3 },
    // A call that cannot be settled while its slot moves is captured when its hold expires: soon.
    config: { limits: { holdMsMax: 3_000, upstreamTimeoutMs: 2_000 } },
  });
  closers.push(() => replicas.remove());

  const names = Array.from({ length: accountCount }, (_, nth) => `account-${nth}`);
  const paysFor = (place: number) => (place === 0 ? moverAffordable : affordable);
  const credits = new Map(names.map((name, place) => [name, formatMicros(paysFor(place) * priceMicros + 1)]));
  const keys = await Promise.all(
    names.map(async (accountId, place) => {
      await replicas.fund(accountId, credits.get(accountId) ?? '');
      return { accountId, ...(await replicas.mint({ accountId }, place % 3)) };
    }),
  );
  const slotOf = async (account: string) => {
    const [node] = cluster.nodes;
    return Number(await node?.cli('cluster', 'keyslot', `{${partitionOf(`account:${account}`)}}`));
  };
  const owners = await Promise.all(names.map(async (name) => cluster.owner(await slotOf(name))));
  expect(new Set(owners.map(({ port }) => port)).size, 'the accounts are on every node').toBe(3);

  // Every key asks until its balance is empty; who is told to come later comes later.
  const [mover] = keys;
  if (mover === undefined) throw new Error('there are a hundred keys');
  let next = 0;
  const load = startLoad({
    ...{ replicas, callers },
    next: () => {
      next += 1;
      // Every fourth call is on the account whose slot moves, so that it is in use while it does.
      const { key } = (next % 4 === 0 ? mover : keys[next % accountCount]) ?? mover;
      return { key, tool: `tool_${next}` };
    },
  });
  await load.answered(40);
  const slot = await slotOf(mover.accountId);
  const from = await cluster.owner(slot);
  const to = cluster.nodes.find((node) => node !== from);
  if (to === undefined) throw new Error('there are three nodes');
  let steps = 0;
  await cluster.moveSlot(slot, {
    to,
    // Calls are answered while the slot is half here and half there; then it moves on as fast as it can.
    during: async () => {
      steps += 1;
      if (steps <= stepsWatched) await load.answered(4);
    },
  });
  expect(await cluster.owner(slot)).toBe(to);
  expect(steps).toBeGreaterThan(stepsWatched);
  await load.answered(300);
  const outcomes = [...(await load.stop())];

  // And on to the end of every balance.
  const last = await Promise.all(keys.map((one, place) => callUntilRefused(one.key, `last_${place}`)));
  outcomes.push(...last.flat());
  async function callUntilRefused(key: string, name: string): Promise<Outcome[]> {
    const made: Outcome[] = [];
    for (let nth = 0; made.at(-1)?.result !== 'BALANCE_EXHAUSTED'; nth += 1) {
      const outcome = await replicas.all[nth % 3]?.call(key, `${name}_${nth}`);
      if (outcome === undefined || nth > moverAffordable) throw new Error(`${name} is not refused: ${JSON.stringify(made.at(-1))}`);
      made.push(outcome);
    }
    return made;
  }

  expect(outcomes.filter(({ result }) => !['passed', 'BALANCE_EXHAUSTED', 'STORE_UNAVAILABLE'].includes(result))).toEqual([]);
  const unavailable = outcomes.filter(({ result }) => result === 'STORE_UNAVAILABLE');
  console.log(
    `redis-cluster.test: ${outcomes.length} calls, ${unavailable.length} of them refused while the slot moved, in ${steps} steps`,
  );
  const sums = await compareSums(replicas, {
    ...{ upstream, priceMicros, accounts: credits, keyIds: [] },
  });
  expect(sums.wrong).toEqual([]);
  const seen = toolsSeen(upstream);
  expect([...seen].sort()).toEqual(
    outcomes
      .filter(({ result }) => result === 'passed')
      .map(({ tool }) => tool)
      .sort(),
  );
  expect(sums.charged).toBe((affordable * (accountCount - 1) + moverAffordable) * priceMicros);
});
