import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { everyPair } from './faults.ts';
import { simulatedPolicy } from './policy.ts';
import { runSeed, type SeedResult } from './run-seed.ts';

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
    part: { type: 'boolean', default: false },
  },
});
const [seeds, from, steps, processes] = [values.seeds, values.from, values.steps, values.processes].map(Number);
if (![seeds, from, steps, processes].every((each) => each !== undefined && Number.isInteger(each) && each >= 1)) {
  console.error('--seeds, --from, --steps and --processes are whole numbers from 1 up');
  process.exit(2);
}

/** What one process found in its share of the seeds. */
interface Found {
  readonly seeds: number;
  readonly calls: number;
  readonly met: readonly string[];
  readonly broken: readonly SeedResult[];
}

const shown = 10;
if (values.part) process.send?.(await runPart(from ?? 1, seeds ?? 1));
else process.exitCode = await runAll(from ?? 1, seeds ?? 1);

async function runPart(first: number, count: number): Promise<Found> {
  const given = await simulatedPolicy();
  const met = new Set<string>();
  const broken: SeedResult[] = [];
  let calls = 0;
  for (let seed = first; seed < first + count && broken.length < shown; seed += 1) {
    const result = await runSeed(seed, { ...given, steps: steps ?? 1 });
    calls += result.calls;
    for (const pair of result.met) met.add(pair);
    if (result.violations.length > 0) broken.push(result);
  }
  return { seeds: count, calls, met: [...met], broken };
}

async function runAll(first: number, count: number): Promise<number> {
  const began = performance.now();
  const share = Math.ceil(count / (processes ?? 1));
  const parts: Promise<Found>[] = [];
  for (let at = 0; at < count; at += share) parts.push(startPart(first + at, Math.min(share, count - at)));
  const all = await Promise.all(parts);
  const met = new Set(all.flatMap((part) => part.met));
  const broken = all.flatMap((part) => part.broken);
  for (const { seed, step, violations } of broken.slice(0, shown)) {
    console.log(`seed ${seed}, step ${step}:\n  ${violations.join('\n  ')}`);
    console.log(`  again: npm run simulate -- --seeds 1 --from ${seed} --steps ${steps}`);
  }
  const pairs = everyPair();
  const unmet = pairs.filter((pair) => !met.has(pair));
  console.log(`fault x stage: ${pairs.length - unmet.length} of ${pairs.length} pairs met`);
  // A few seeds need not meet everything.
  if (unmet.length > 0) console.log(`never met: ${unmet.join(', ')}`);
  const calls = all.reduce((sum, part) => sum + part.calls, 0);
  const took = ((performance.now() - began) / 1000).toFixed(0);
  console.log(`${count} seeds of ${steps} steps, ${calls} requests, ${took} s: ${broken.length === 0 ? 'every invariant held' : 'BROKEN'}`);
  return broken.length === 0 && (unmet.length === 0 || count < enoughSeeds) ? 0 : 1;
}

/** From as many seeds on every pair has to be met. */
const enoughSeeds = 100;

function startPart(first: number, count: number): Promise<Found> {
  const args = ['--part', '--from', String(first), '--seeds', String(count), '--steps', String(steps)];
  const child = fork(fileURLToPath(import.meta.url), args);
  return new Promise((resolve, reject) => {
    let found: Found | undefined;
    child.on('message', (message) => (found = message as Found));
    child.on('error', reject);
    child.on('exit', (code) =>
      found ? resolve(found) : reject(new Error(`a part of the simulation ended with ${code} and found nothing`)),
    );
  });
}
