import { expect, it } from 'vitest';
import { type Costs, type Stage, simulate } from '../../load/simulate-model.ts';

const work = (perCall: number, perTurn = 0) => ({ perCall, perTurn, otherThreads: 0 });
const costs: Costs = {
  load: work(20),
  stub: work(10),
  gateway: { ...work(100), perScript: 0 },
  redis: { ...work(40), perScript: 0 },
  sealer: 0,
  sealed: 0,
};
const stage: Stage = {
  ...{ costs, cores: Number.POSITIVE_INFINITY, gateways: 1, shards: 1, callers: 1, partitions: 64, joint: false },
  ...{ delay: 0, calls: 4_000, seed: 1 },
};

it('is the same with the same seed, and another with another', () => {
  const busy = { ...stage, callers: 16, gateways: 2 };
  expect(simulate(busy)).toEqual(simulate(busy));
  expect(simulate(busy)).not.toEqual(simulate({ ...busy, seed: 2 }));
});

it('one caller waits for what is before its answer, and not for the settle', () => {
  // The load, the gateway until it answers (all but a tenth), Redis for the admit (half), the upstream; the rest is done meanwhile.
  const { p50, turns, scripts } = simulate(stage);
  expect(p50 * 1000).toBeGreaterThan(0.95 * (20 + 90 + 20 + 10));
  // The gateway may be at the settle when the next call comes.
  expect(p50 * 1000).toBeLessThan(1.1 * (20 + 100 + 40 + 10));
  expect(scripts).toBeCloseTo(2, 1);
  expect(turns.load).toBeCloseTo(1, 1);
  expect(turns.gateway).toBeCloseTo(4, 1);
});

it('what is busiest says how many calls pass', () => {
  const { perSecond, busiest } = simulate({ ...stage, callers: 64 });
  expect(perSecond / (1e6 / 100)).toBeCloseTo(1, 1);
  expect(busiest.gateway).toBeCloseTo(1, 2);
  const four = simulate({ ...stage, callers: 64, gateways: 4 });
  expect(four.perSecond / (1e6 / 40)).toBeCloseTo(1, 1);
  expect(four.busiest.redis).toBeCloseTo(1, 1);
});

it('cores are shared, and other threads take of them', () => {
  const all = 20 + 10 + 100 + 40;
  const shared = { ...stage, callers: 64, gateways: 4, cores: 1 };
  expect(simulate(shared).perSecond / (1e6 / all)).toBeCloseTo(1, 1);
  const aside = { ...costs, gateway: { ...costs.gateway, otherThreads: 100 } };
  expect(simulate({ ...shared, costs: aside }).perSecond / (1e6 / (all + 100))).toBeCloseTo(1, 1);
});

it('calls of one partition that come together share scripts, and turns what they cost', () => {
  const dear = { ...costs, redis: { perCall: 10, perScript: 100, perTurn: 50, otherThreads: 0 } };
  const many = simulate({ ...stage, costs: dear, callers: 32 });
  const one = simulate({ ...stage, costs: dear, callers: 32, partitions: 1 });
  expect(many.scripts).toBeGreaterThan(1.8);
  expect(one.scripts).toBeLessThan(0.5);
  expect(one.perSecond).toBeGreaterThan(1.5 * many.perSecond);
  expect(simulate({ ...stage, costs: dear, callers: 32, partitions: 1, joint: true }).scripts).toBeLessThanOrEqual(one.scripts);
  expect(many.turns.redis).toBeLessThan(many.scripts);
});

it('the first gateway seals for all', () => {
  const sealing = { ...costs, sealer: 50 };
  const { perSecond, busiest } = simulate({ ...stage, calls: 20_000, costs: sealing, callers: 64, gateways: 2 });
  expect(busiest.gateway).toBeCloseTo(1, 1);
  // The other one does 10,000. The first has 100 for each of its own and 50 for each of all, which leaves it 3,333.
  expect(perSecond / 13_333).toBeCloseTo(1, 1);
});

it('the network is waited for', () => {
  const far = simulate({ ...stage, delay: 1_000 });
  // To the gateway, to Redis and back, to the upstream and back, and back.
  expect(far.p50 - simulate(stage).p50).toBeCloseTo(6, 1);
});
