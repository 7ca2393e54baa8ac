import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { everyPair } from './faults.ts';
import { runSeeds } from './run-seeds.ts';

/**
 * `npm run simulate [-- --seeds N] [-- --from N] [-- --steps N] [-- --processes N]`: lives through so many simulated worlds, and says which
 * invariants did not hold, and in which seed. `--seeds 1 --from S` replays seed S. Exit code 1 where anything did not hold, or a pair of fault
 * and stage was never met.
 */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '10000' },
    from: { type: 'string', default: '1' },
    steps: { type: 'string', default: '200' },
    processes: { type: 'string', default: String(availableParallelism()) },
  },
});
const [seeds, from, steps, processes] = [values.seeds, values.from, values.steps, values.processes].map(Number);
if (![seeds, from, steps, processes].every((each) => each !== undefined && Number.isInteger(each) && each >= 1)) {
  console.error('--seeds, --from, --steps and --processes are whole numbers from 1 up');
  process.exit(2);
}

const shown = 10;
/** From as many seeds on every pair has to be met. */
const enoughSeeds = 100;
process.exitCode = await simulate({ first: from ?? 1, count: seeds ?? 1, steps: steps ?? 1, processes: processes ?? 1 });

async function simulate(options: { first: number; count: number; steps: number; processes: number }): Promise<number> {
  const began = performance.now();
  const { met, broken, calls, seeds: lived } = await runSeeds({ ...options, brokenMax: shown });
  for (const { seed, step, violations } of broken.slice(0, shown)) {
    console.log(`seed ${seed}${step === undefined ? '' : `, step ${step}`}:\n  ${violations.join('\n  ')}`);
    console.log(`  again: npm run simulate -- --seeds 1 --from ${seed} --steps ${steps}`);
  }
  const pairs = everyPair();
  const unmet = pairs.filter((pair) => !met.has(pair));
  console.log(`fault x stage: ${pairs.length - unmet.length} of ${pairs.length} pairs met`);
  // A few seeds need not meet everything.
  if (unmet.length > 0) console.log(`never met: ${unmet.join(', ')}`);
  const took = ((performance.now() - began) / 1000).toFixed(0);
  console.log(`${lived} seeds of ${steps} steps, ${calls} requests, ${took} s: ${broken.length === 0 ? 'every invariant held' : 'BROKEN'}`);
  return broken.length === 0 && (unmet.length === 0 || lived < enoughSeeds) ? 0 : 1;
}
