import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from '../tidy/source-tree.ts';
import { coverageDocument, coverageText } from './coverage.ts';
import { runSecurity } from './run-security.ts';

/**
 * `npm run security [-- --seeds N] [-- --minutes N]`: runs every test with the number of an attack or a fault, the simulation and the
 * fuzzers, and prints what came of each number. Exit code 1 where anything failed, is missing or took too long. `--write` writes the coverage
 * document from the names of the tests and runs nothing.
 */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '2000' },
    minutes: { type: 'string', default: '20' },
    write: { type: 'boolean', default: false },
  },
});
const [seeds, minutes] = [Number(values.seeds), Number(values.minutes)];
if (![seeds, minutes].every((each) => Number.isInteger(each) && each >= 1)) {
  console.error('--seeds and --minutes are whole numbers from 1 up');
  process.exit(2);
}
if (values.write) writeFileSync(join(root, coverageDocument), coverageText());
else process.exitCode = await runSecurity({ seeds, minutes });
