import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { everyPair } from './faults.ts';
import { mutants } from './mutants.ts';
import { simulatedPolicy } from './policy.ts';
import { runSeed } from './run-seed.ts';
import { runSeeds } from './run-seeds.ts';

const steps = 200;
const seeds = 200;
/** A safeguard that is missing shows within so many seeds. */
const mutantSeedsMax = 60;
let given: Awaited<ReturnType<typeof simulatedPolicy>>;
beforeAll(async () => {
  given = await simulatedPolicy();
});

describe('the gateway in a simulated world: crashes, faults of the store and the upstream, revocations, clock jumps (A63)', () => {
  it(`keeps its invariants over ${seeds} seeds of ${steps} steps, and every fault meets every stage`, async () => {
    const met = new Set<string>();
    for (let seed = 1; seed <= seeds; seed += 1) {
      const result = await runSeed(seed, { ...given, steps });
      expect(result.violations, `seed ${seed}, step ${result.step}: npm run simulate -- --seeds 1 --from ${seed}`).toEqual([]);
      for (const pair of result.met) met.add(pair);
    }
    expect(everyPair().filter((pair) => !met.has(pair))).toEqual([]);
  }, 180_000);

  it('is the same for the same seed', async () => {
    const [one, again, other] = [
      await runSeed(7, { ...given, steps }),
      await runSeed(7, { ...given, steps }),
      await runSeed(8, { ...given, steps }),
    ];
    expect(again).toEqual(one);
    expect(other.met).not.toEqual(one.met);
  });

  it.each(mutants)('notices a gateway with %s', async (mutant) => {
    for (let seed = 1; seed <= mutantSeedsMax; seed += 1) {
      const { violations } = await runSeed(seed, { ...given, steps, mutant });
      if (violations.length > 0) return;
    }
    expect.unreachable(`${mutantSeedsMax} seeds went well without it`);
  });
});

describe('seeds divided among processes', () => {
  it('are the same, and go the same way, however many processes there are', async () => {
    const among = (processes: number) => runSeeds({ first: 11, count: 12, steps, processes, brokenMax: 10 });
    const [one, three] = [await among(1), await among(3)];
    expect(one.seeds).toBe(12);
    expect({ ...three, met: [...three.met].sort() }).toEqual({ ...one, met: [...one.met].sort() });
  });

  it('a seed that ends its process is named, and the others are lived through', async () => {
    const program = fileURLToPath(new URL('ending-seed-process.ts', import.meta.url));
    const { seeds: lived, broken, met } = await runSeeds({ first: 1, count: 8, steps, processes: 2, brokenMax: 10, program });
    expect(broken).toEqual([{ seed: 3, violations: ['its process ended: code 7, signal null'], step: undefined, met: [], calls: 0 }]);
    expect([lived, met.size]).toEqual([8, 7]);
  });
});
