import { fileURLToPath } from 'node:url';
import { dealAmong } from '../support/deal-among.ts';
import type { SeedResult } from './run-seed.ts';

const seedProcess = fileURLToPath(new URL('seed-process.ts', import.meta.url));
/** A world takes some thirty milliseconds; what is not over by now never is. */
const seedMsMax = 120_000;

export interface SeedPiece {
  readonly seed: number;
  readonly steps: number;
}

export interface SeedsResult {
  /** How many seeds were lived through: fewer than asked for where there were enough that broke. */
  readonly seeds: number;
  readonly calls: number;
  readonly met: ReadonlySet<string>;
  /** In the order of their seeds. */
  readonly broken: readonly SeedResult[];
}

/** Lives through the seeds from `first` on in so many processes. A seed that ends its process, or never ends, is broken too. No new one is begun after `brokenMax`. */
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
  await dealAmong<SeedPiece, SeedResult>({
    ...{ program, processes: Math.min(processes, count), msMax: seedMsMax },
    next() {
      if (next === first + count || broken.length >= brokenMax) return undefined;
      next += 1;
      return { seed: next - 1, steps };
    },
    done({ seed }, outcome) {
      seeds += 1;
      if ('ended' in outcome) {
        broken.push({ seed, violations: [`its process ended: ${outcome.ended}`], step: undefined, met: [], calls: 0 });
        return;
      }
      const { result } = outcome;
      calls += result.calls;
      for (const pair of result.met) met.add(pair);
      if (result.violations.length > 0) broken.push(result);
    },
  });
  return { seeds, calls, met, broken: broken.sort((one, other) => one.seed - other.seed) };
}
