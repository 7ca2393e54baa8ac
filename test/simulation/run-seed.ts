import type { Config } from '../../src/config/schema.ts';
import type { Policy } from '../../src/domain/policy.ts';
import { acts, endAs, type Story } from './acts.ts';
import type { Chance } from './chance.ts';
import { judgeEnd, judgeStep, judgeSums } from './judge.ts';
import { mintKeys } from './keys.ts';
import type { Mutant } from './mutants.ts';
import { holdMsMax } from './policy.ts';
import { createWorld, type World } from './world.ts';

export interface SeedResult {
  readonly seed: number;
  /** What did not hold; empty where all did. */
  readonly violations: readonly string[];
  /** The step in which the first of it was seen. */
  readonly step: number | undefined;
  readonly met: readonly string[];
  readonly calls: number;
}

const sumsEvery = 20;
const expiryMs = holdMsMax + 10_000;
/** As far as the clock can have been put back altogether. */
const jumpsMsMax = 86_400_000;

/** Lives through one world. The same seed gives the same result. */
export async function runSeed(
  seed: number,
  { config, policy, steps, mutant }: { config: Config; policy: Policy; steps: number; mutant?: Mutant },
): Promise<SeedResult> {
  const world = createWorld(seed, { config, policy, mutant });
  const { chance, time, model } = world;
  const story: Story = { all: [], endings: new Map(), revokedAt: new Map(), named: 0 };
  let step = 0;
  try {
    await mintKeys(world);
    world.startReplica();
    world.startReplica();
    for (; step < steps && model.violations.length === 0; step += 1) {
      await drawAct(chance)(world, story);
      await time.settled();
      judgeStep(world, story);
      if (step % sumsEvery === 0) await judgeSums(world);
    }
    if (model.violations.length === 0) await endAll(world, story);
  } finally {
    time.restore();
  }
  const { violations } = model;
  return { seed, violations, step: violations.length === 0 ? undefined : step, met: [...world.met], calls: story.all.length };
}

function drawAct(chance: Chance): (typeof acts)[number][1] {
  const whole = acts.reduce((sum, [weight]) => sum + weight, 0);
  let left = chance.between(1, whole);
  for (const [weight, act] of acts) {
    left -= weight;
    if (left <= 0) return act;
  }
  throw new Error('The weights of all acts together are their sum.');
}

/** Fine weather, every upstream answers, streams are closed; then all holds that nobody could settle expire. */
async function endAll(world: World, story: Story): Promise<void> {
  const { time, clock, weather, exchanges, running } = world;
  weather.clear();
  for (let rounds = 0; rounds < 8; rounds += 1) {
    for (const exchange of exchanges) if (exchange.open && !exchange.isStream) endAs(world, story, exchange, 'answers');
    for (const one of running) if (one.kind === 'stream') one.client.leave();
    await time.pass(2_000);
  }
  judgeStep(world, story);
  // A clock that was put back lets holds live longer: they end by the clock on the wall.
  clock.jump(jumpsMsMax);
  await time.pass(expiryMs);
  await judgeSums(world);
  judgeEnd(world, story);
}
