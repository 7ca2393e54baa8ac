import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { cpus, loadavg, release } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { guardProblem, judge, misses, readBudgets } from './budget.ts';
import { measureBodies } from './cost-bodies.ts';
import { measureCalls } from './cost-calls.ts';
import { measureConcurrency } from './cost-concurrency.ts';
import { measureKeys } from './cost-keys.ts';
import { measureLists } from './cost-lists.ts';
import { plotOf } from './cost-plot.ts';
import { reportOf, tell } from './cost-report.ts';
import type { CostResult } from './cost-result.ts';
import { measureRules } from './cost-rules.ts';
import { openCostStand } from './cost-stand.ts';
import { measureStreams } from './cost-streams.ts';
import type { Bench, Found, Pace } from './cost-terms.ts';
import { measureWorkers } from './cost-workers.ts';

/**
 * `npm run load [-- --what calls,body,keys,rules,tools,concurrency,streams,workers] [-- --rounds N] [-- --seconds N] [-- --check] [-- --smoke] [-- --out FOLDER]`:
 * proves that the gateway is right, then says what it costs, as ratios to baselines that are measured in the same run, in turn. Exit code 1 where
 * anything was wrong; with `--check` also where a budget of load/budget.json is missed; with `--smoke`, which measures calls on the embedded store
 * alone, also where these cost more than the recorded ratio allows. `--from FILE` judges an earlier result anew, and writes its report again where
 * `--out` says where to.
 */
const parts: Readonly<Record<string, (bench: Bench) => Promise<Found>>> = {
  calls: (bench) => measureCalls(bench, { redis: true, nginx: true, rates: true }),
  body: measureBodies,
  keys: (bench) => measureKeys(bench, [1, 10_000, 1_000_000]),
  rules: measureRules,
  tools: measureLists,
  concurrency: measureConcurrency,
  streams: (bench) => measureStreams(bench, [1_000, 5_000]),
  workers: measureWorkers,
};
/** A smoke that finds calls too dear measures them again, so often at most: a machine that was busy with something else is no reason to fail. */
const smokeTriesMax = 2;

const { values } = parseArgs({
  options: {
    what: { type: 'string', default: Object.keys(parts).join() },
    rounds: { type: 'string', default: '7' },
    seconds: { type: 'string', default: '1' },
    check: { type: 'boolean', default: false },
    smoke: { type: 'boolean', default: false },
    from: { type: 'string' },
    out: { type: 'string' },
  },
});
const what = values.what.split(',');
const [rounds, seconds] = [Number(values.rounds), Number(values.seconds)];
const counted = [rounds, seconds].every((count) => Number.isInteger(count) && count >= 1 && count <= 60);
if (!counted || what.some((name) => parts[name] === undefined)) {
  console.error(`--what is a list of ${Object.keys(parts).join()}; --rounds and --seconds (of each round) are whole numbers from 1 to 60`);
  process.exit(2);
}
process.exitCode = values.smoke ? await smoke() : await run();

async function run(): Promise<number> {
  const earlier = values.from === undefined ? undefined : (JSON.parse(await readFile(values.from, 'utf8')) as CostResult);
  const measured = earlier ?? (await measureAll());
  const judged = judge(await readBudgets(), measured);
  const result: CostResult = { ...measured, judged };
  tell(result);
  const out = values.out ?? (earlier === undefined ? fileURLToPath(new URL('results', import.meta.url)) : undefined);
  if (out !== undefined) {
    await mkdir(out, { recursive: true });
    await writeFile(join(out, 'cost.json'), compact(result));
    await writeFile(join(out, 'cost.md'), reportOf(result));
    await writeFile(join(out, 'cost.svg'), plotOf(result));
    console.log(`\nwritten to ${out}: cost.json, cost.md, cost.svg`);
  }
  const missed = values.check ? misses(judged, result.absent) : [];
  if (values.check) console.log(missed.length === 0 ? '\nevery budget is kept' : '\nBudgets that are not kept:');
  for (const { measurement, verdict, median, max, min, why } of missed) {
    console.log(`  ${measurement}: ${verdict}${median === undefined ? ` (${why})` : `, ${median} and not ${max ?? min}`}`);
  }
  return result.wrong.length === 0 && missed.length === 0 ? 0 : 1;
}

async function measureAll(): Promise<Omit<CostResult, 'judged'>> {
  const pace = { rounds, seconds, warming: { calls: 20_000, seconds: 30 } };
  const loadBefore = Number((loadavg()[0] ?? Number.NaN).toFixed(2));
  const all: Found[] = [];
  const wrong: string[] = [];
  for (const name of Object.keys(parts).filter((each) => what.includes(each))) {
    console.log(`measuring ${name}`);
    try {
      all.push(await inStand(pace, wrong, parts[name]));
    } catch (error) {
      // What the other parts take many minutes to find is told all the same, beside what broke this one.
      wrong.push(`${name} could not be measured: ${error instanceof Error ? error.stack : error}`);
    }
  }
  const found: Found = {
    tables: all.flatMap(({ tables }) => tables),
    measurements: Object.assign({}, ...all.map(({ measurements }) => measurements)) as Found['measurements'],
    absent: Object.assign({}, ...all.map(({ absent }) => absent)) as Found['absent'],
  };
  return {
    command: ['npm run load', ...(process.argv.length > 2 ? ['--', ...process.argv.slice(2)] : [])].join(' '),
    date: new Date().toISOString(),
    machine: { cores: cpus().length, model: cpus()[0]?.model ?? '', kernel: release(), node: process.version, loadBefore },
    ...{ rounds, seconds, ...found, wrong },
  };
}

/** Each part has processes of its own, so that none meets what another has left. */
async function inStand(pace: Pace, wrong: string[], measure: ((bench: Bench) => Promise<Found>) | undefined): Promise<Found> {
  const stand = await openCostStand();
  try {
    return (await measure?.({ stand, pace, wrong })) ?? { tables: [], measurements: {}, absent: {} };
  } finally {
    await stand.close();
  }
}

/** A line for each figure, so that one result can be compared with the next. */
function compact(result: CostResult): string {
  const spread = /\{\s+"median": (\S+),\s+"min": (\S+),\s+"max": (\S+)\s+\}/g;
  return `${JSON.stringify(result, null, 1).replace(spread, '{ "median": $1, "min": $2, "max": $3 }')}\n`;
}

/** Short, for every change: right, and not dearer than twice what was recorded. */
async function smoke(): Promise<number> {
  const pace = { rounds: 5, seconds: 1, warming: { calls: 15_000, seconds: 15 } };
  const budgets = await readBudgets();
  let problem: string | undefined;
  for (let tries = 0; tries < smokeTriesMax; tries += 1) {
    const wrong: string[] = [];
    const found = await inStand(pace, wrong, (bench) =>
      measureCalls(bench, { only: ['relay', 'lmdb'], redis: false, nginx: false, rates: false }),
    );
    for (const each of wrong) console.log(`WRONG: ${each}`);
    if (wrong.length > 0) return 1;
    const { median, min, max } = found.measurements[budgets.guard.measurement] ?? {};
    console.log(`correct; ${budgets.guard.measurement} is ${median} (${min} to ${max}), recorded is ${budgets.guard.recorded}`);
    problem = guardProblem(budgets, found.measurements);
    if (problem === undefined) return 0;
    console.log(problem);
  }
  return 1;
}
