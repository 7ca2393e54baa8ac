import { parseArgs } from 'node:util';
import { writeFixture } from './fixture.ts';
import { runFuzz } from './run.ts';

/**
 * `npm run fuzz [-- --seconds N] [-- --cases N] [-- --seed S]`: sends mutated traffic to a gateway process until the time is over, and says what came back. The
 * same seed draws the same cases. What was wrong is narrowed down and becomes a fixture, which the tests replay from then on. Exit code 1 then.
 */
const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    cases: { type: 'string', default: '1000000000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
});
const [seconds, cases, seed] = [values.seconds, values.cases, values.seed].map(Number);
if (![seconds, cases, seed].every((each) => each !== undefined && Number.isInteger(each) && each >= 1)) {
  console.error('--seconds, --cases and --seed are whole numbers from 1 up');
  process.exit(2);
}

const began = performance.now();
console.log(`seed ${seed}`);
const result = await runFuzz({
  seed: seed ?? 1,
  casesMax: cases ?? 1,
  msMax: (seconds ?? 1) * 1_000,
  found: (wrong) => console.error(`\n${wrong.join('\n')}\nlooking for the cases that bring this about`),
  each: (done) => void (process.stdout.isTTY && process.stdout.write(`\r${done} cases`)),
});
const took = (performance.now() - began) / 1_000;
const statuses = [...result.statuses].sort(([one], [other]) => one.localeCompare(other)).map(([status, count]) => `${status}: ${count}`);
console.log(`\n${result.cases} cases in ${took.toFixed(1)} s; first answers: ${statuses.join(', ')}`);
if (result.failure) {
  const { wrong, cases: culprits } = result.failure;
  for (const what of wrong) console.error(what);
  console.error(`${culprits.length} of them bring this about: test/fuzz/fixtures/${writeFixture(wrong, culprits)}`);
  process.exitCode = 1;
} else console.log(`nothing was wrong; the gateway has ${Math.round(result.residentBytes / 1_048_576)} MiB resident`);
