import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { read, root } from '../tidy/source-tree.ts';
import { attacks } from './attacks.ts';
import { numberedTests, numbersIn } from './numbered-tests.ts';

/** What became of the tests of one number. */
interface Result {
  passed: number;
  failed: number;
  skipped: number;
}

interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages?: readonly string[];
    }[];
  }[];
}

interface Ran {
  readonly code: number;
  readonly output: string;
}

/** Time for the simulation and for each of the fuzzers, in milliseconds; the tests have what is left. */
const simulationMsMax = 600_000;
const fuzzMsMax = 240_000;
/** The million of A07. */
const bodies = 1_000_000;
const fuzzSeconds = 60;

/** Runs all that withstands something, in turn, and prints what came of it. @returns the exit code */
export async function runSecurity({ seeds, minutes }: { seeds: number; minutes: number }): Promise<number> {
  const end = performance.now() + minutes * 60_000;
  const left = (most: number) => Math.max(1, Math.min(most, end - performance.now()));
  console.log('The tests with numbers …');
  const tested = await runTests(left(minutes * 60_000));
  console.log(`The simulation of ${seeds} seeds …`);
  const simulated = await run(process.execPath, ['test/simulation/simulate.ts', '--seeds', String(seeds)], left(simulationMsMax));
  console.log(`The fuzzer, ${bodies} bodies, then traffic …`);
  const bodiesRead = await run(process.execPath, ['test/fuzz/fuzz.ts', '--bodies', String(bodies)], left(fuzzMsMax));
  const fuzzed = await run(process.execPath, ['test/fuzz/fuzz.ts', '--seconds', String(fuzzSeconds)], left(fuzzMsMax));
  const isWhole = tell(tested.results);
  for (const trouble of tested.troubles) console.log(trouble);
  // A seed, a body or a case that was wrong is named here, with the command that takes it again.
  for (const { code, output } of [simulated, bodiesRead, fuzzed]) if (code !== 0) console.log(output.trimEnd());
  console.log(`simulation: ${lastLine(simulated)}`);
  console.log(`fuzz, bodies: ${lastLine(bodiesRead)}`);
  console.log(`fuzz, traffic: ${lastLine(fuzzed, 2)}`);
  const good = isWhole && tested.troubles.length === 0 && [simulated, bodiesRead, fuzzed].every(({ code }) => code === 0);
  console.log(good ? 'Everything withstood.' : 'NOT EVERYTHING WITHSTOOD.');
  return good ? 0 : 1;
}

/** The results by number, and what kept tests from having any. */
async function runTests(msMax: number): Promise<{ results: ReadonlyMap<string, Result>; troubles: string[] }> {
  const scratch = mkdtempSync(join(tmpdir(), 'keygate-security-'));
  const file = join(scratch, 'tests.json');
  try {
    const files = [...new Set(numberedTests().map((test) => test.file))];
    // Suites of contracts stand in files of their own, and are run by the tests of each adapter.
    const tests = files.some((path) => !path.endsWith('.test.ts'))
      ? [...files.filter((path) => path.endsWith('.test.ts')), ...contracts]
      : files;
    const names = String.raw`\b[AF]\d\d\b`;
    const args = ['run', ...tests, '--project', 'embedded', '-t', names, '--reporter', 'json', '--outputFile', file];
    const ran = await run(process.execPath, ['node_modules/vitest/vitest.mjs', ...args], msMax);
    return readReport(JSON.parse(readFileSync(file, 'utf8')) as Report, ran);
  } catch (error) {
    return { results: new Map(), troubles: [`The tests could not be run: ${error instanceof Error ? error.message : String(error)}`] };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

const contracts = [
  'test/adapters/memory',
  'test/adapters/lmdb/contract.test.ts',
  'test/adapters/redis/ledger-contract.test.ts',
  'test/adapters/redis/keyring-contract.test.ts',
];

function readReport({ testResults }: Report, { code, output }: Ran): { results: Map<string, Result>; troubles: string[] } {
  const results = new Map<string, Result>();
  const troubles: string[] = [];
  for (const { name, status, assertionResults } of testResults) {
    // A file that could not be loaded has no results at all.
    if (status === 'failed' && !assertionResults.some((one) => one.status === 'failed')) troubles.push(`${name} could not be run`);
    for (const { fullName, status: outcome, failureMessages = [] } of assertionResults) {
      for (const number of numbersIn(fullName)) {
        const result = results.get(number) ?? { passed: 0, failed: 0, skipped: 0 };
        results.set(number, result);
        if (outcome === 'passed') result.passed += 1;
        else if (outcome === 'failed') result.failed += 1;
        else result.skipped += 1;
      }
      if (outcome === 'failed') troubles.push(`failed: ${fullName}\n  ${(failureMessages[0] ?? '').split('\n', 3).join('\n  ')}`);
    }
  }
  if (code !== 0 && troubles.length === 0) troubles.push(`The tests ended with ${code}:\n${output.slice(-2_000)}`);
  return { results, troubles };
}

/** Prints the table. False where a number has no result and nothing that says why, or one that is no success. */
function tell(results: ReadonlyMap<string, Result>): boolean {
  let isWhole = true;
  const faults = [...results.keys()].filter((number) => number.startsWith('F')).sort();
  const known = new Map<string, { what: string; missing?: string | undefined }>(
    attacks.map(({ number, what, missing }) => [number, { what, missing }]),
  );
  for (const number of [...known.keys(), ...faults]) {
    const { passed, failed, skipped } = results.get(number) ?? { passed: 0, failed: 0, skipped: 0 };
    const { what = faultsTold.get(number) ?? '', missing } = known.get(number) ?? {};
    const isGood = failed === 0 && skipped === 0 && (passed > 0 || missing !== undefined);
    isWhole &&= isGood;
    const said =
      passed + failed + skipped === 0
        ? 'not in this build'
        : `${passed} passed${failed > 0 ? `, ${failed} FAILED` : ''}${skipped > 0 ? `, ${skipped} SKIPPED` : ''}`;
    const verdict = isGood ? (passed > 0 ? 'withstood' : '-') : 'FAILED';
    console.log(`${number.padEnd(5)} ${verdict.padEnd(10)} ${said.padEnd(18)} ${what}${missing === undefined ? '' : ` (${missing})`}`);
  }
  return isWhole;
}

/** What docs/security/faults.md says of each fault: where, and what happens. */
const faultsTold: ReadonlyMap<string, string> = new Map(
  [...read('docs/security/faults.md').matchAll(/^\| (F\d\d) \| ([^|]+) \| ([^|]+) \|/gm)].map(([, number = '', where, what]) => [
    number,
    `${where}: ${what}`,
  ]),
);

function lastLine({ code, output }: Ran, lines = 1): string {
  return `${output.trimEnd().split('\n').slice(-lines).join('; ')}${code === 0 ? '' : ` (exit code ${code})`}`;
}

/** The exit code is -1 where a signal ended the program, which it does after `msMax`. */
function run(command: string, args: readonly string[], msMax: number): Promise<Ran> {
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], timeout: Math.round(msMax), killSignal: 'SIGTERM' });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-100_000);
    });
  }
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ code: -1, output: error.message }));
    child.once('close', (code) => resolve({ code: code ?? -1, output }));
  });
}
