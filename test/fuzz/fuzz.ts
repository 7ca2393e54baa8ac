import { parseArgs } from 'node:util';
import { writeFixture } from './fixture.ts';
import { fuzzBodies } from './fuzz-bodies.ts';
import { runFuzz } from './run.ts';

/**
 * `npm run fuzz [-- --seconds N] [-- --cases N] [-- --seed S]`: sends mutated traffic to a gateway process until the time is over, and says what came back. The
 * same seed draws the same cases. What was wrong is narrowed down and becomes a fixture, which the tests replay from then on. Exit code 1 then.
 * `npm run fuzz -- --bodies N [--seed S] [--from N]`: takes as many mutated bodies through the stage that reads them, without a network, on all cores.
 */
const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    cases: { type: 'string', default: '1000000000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    bodies: { type: 'string' },
    from: { type: 'string', default: '0' },
  },
});
const [seconds, cases, seed, bodies, from] = [values.seconds, values.cases, values.seed, values.bodies ?? '1', values.from].map(Number);
if (![seconds, cases, seed, bodies, (from ?? 0) + 1].every((each) => each !== undefined && Number.isInteger(each) && each >= 1)) {
  console.error('--seconds, --cases, --seed and --bodies are whole numbers from 1 up, --from is one from 0 up');
  process.exit(2);
}
console.log(`seed ${seed}`);
if (values.bodies !== undefined) process.exitCode = await fuzzBodies({ seed: seed ?? 1, from: from ?? 0, count: bodies ?? 1 });
else process.exitCode = await fuzzTraffic({ seed: seed ?? 1, casesMax: cases ?? 1, msMax: (seconds ?? 1) * 1_000 });

async function fuzzTraffic(options: { seed: number; casesMax: number; msMax: number }): Promise<number> {
  const began = performance.now();
  const result = await runFuzz({
    ...options,
    found: (wrong) => console.error(`\n${wrong.join('\n')}\nlooking for the cases that bring this about`),
    each: (done) => void (process.stdout.isTTY && process.stdout.write(`\r${done} cases`)),
  });
  const took = (performance.now() - began) / 1_000;
  const statuses = [...result.statuses].sort(([one], [other]) => one.localeCompare(other)).map(([status, count]) => `${status}: ${count}`);
  console.log(`\n${result.cases} cases in ${took.toFixed(1)} s; first answers: ${statuses.join(', ')}`);
  if (!result.failure) {
    console.log(`nothing was wrong; the gateway has ${Math.round(result.residentBytes / 1_048_576)} MiB resident`);
    return 0;
  }
  const { wrong, cases: culprits } = result.failure;
  for (const what of wrong) console.error(what);
  console.error(`${culprits.length} of them bring this about: test/fuzz/fixtures/${writeFixture(wrong, culprits)}`);
  return 1;
}
