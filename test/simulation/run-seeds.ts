import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { SeedResult } from './run-seed.ts';

const seedProcess = fileURLToPath(new URL('seed-process.ts', import.meta.url));
/** A world leaves much behind that is soon gone: room for it saves a tenth of the time. */
const execArgv = ['--max-semi-space-size=64'];
/** A world takes some thirty milliseconds; what is not over by now never is. */
const seedMsMax = 120_000;

export interface SeedsResult {
  /** How many seeds were lived through: fewer than asked for where there were enough that broke. */
  readonly seeds: number;
  readonly calls: number;
  readonly met: ReadonlySet<string>;
  /** In the order of their seeds. */
  readonly broken: readonly SeedResult[];
}

/**
 * Lives through the seeds from `first` on in so many processes. Each gets the next seed as soon as it has done with its last, so which seeds there are, and
 * what comes of each, is the same for any number of them. A seed that ends its process, or never ends, is broken too. No new one is begun after `brokenMax`.
 */
export async function runSeeds(options: {
  first: number;
  count: number;
  steps: number;
  processes: number;
  brokenMax: number;
  /** What each process runs. */
  program?: string;
}): Promise<SeedsResult> {
  const { first, count, steps, processes, brokenMax, program = seedProcess } = options;
  const met = new Set<string>();
  const broken: SeedResult[] = [];
  let [next, seeds, calls] = [first, 0, 0];
  const work = async (): Promise<void> => {
    let child: SeedProcess | undefined;
    while (next < first + count && broken.length < brokenMax) {
      const seed = next;
      next += 1;
      child ??= await startSeedProcess(program, steps);
      const result = await child.run(seed);
      seeds += 1;
      calls += result.calls;
      for (const pair of result.met) met.add(pair);
      if (result.violations.length > 0) broken.push(result);
      if (child.gone) child = undefined;
    }
    child?.end();
  };
  await Promise.all(Array.from({ length: Math.min(processes, count) }, work));
  return { seeds, calls, met, broken: broken.sort((one, other) => one.seed - other.seed) };
}

interface SeedProcess {
  readonly gone: boolean;
  /** One at a time. Never rejects: what became of the process is what was wrong with the seed. */
  run(seed: number): Promise<SeedResult>;
  end(): void;
}

/** @throws where it ends before it is ready: then nothing is wrong with any seed */
async function startSeedProcess(program: string, steps: number): Promise<SeedProcess> {
  const child = fork(program, [String(steps)], { execArgv });
  const killWithParent = () => child.kill('SIGKILL');
  process.once('exit', killWithParent);
  let gone = false;
  child.once('exit', () => {
    gone = true;
    process.off('exit', killWithParent);
  });
  if ((await answerOf(child)) !== 'ready') throw new Error('a process of the simulation ended before it began');
  return {
    get gone() {
      return gone;
    },
    async run(seed) {
      const late = setTimeout(() => child.kill('SIGKILL'), seedMsMax);
      child.send(seed);
      const answer = await answerOf(child);
      clearTimeout(late);
      if (typeof answer !== 'string') return answer;
      return { seed, violations: [`its process ended: ${answer}`], step: undefined, met: [], calls: 0 };
    },
    end: () => child.disconnect(),
  };
}

/** What it says next, or with what it ended. */
function answerOf(child: ChildProcess): Promise<SeedResult | string> {
  return new Promise((resolve) => {
    const done = (answer: SeedResult | string): void => {
      child.off('message', onMessage).off('exit', onExit);
      resolve(answer);
    };
    const onMessage = (message: unknown): void => done(message as SeedResult | 'ready');
    const onExit = (code: number | null, signal: string | null): void => done(`code ${code}, signal ${signal}`);
    child.once('message', onMessage).once('exit', onExit);
  });
}
