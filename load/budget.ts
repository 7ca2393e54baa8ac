import { readFile } from 'node:fs/promises';
import type { Found } from './cost-terms.ts';

/** A figure that was promised, by the name of its measurement. One of `max` and `min` is there. */
export interface Budget {
  readonly measurement: string;
  readonly max?: number;
  readonly min?: number;
  readonly means: string;
  /** Where it holds, if not everywhere: elsewhere its measurement may be absent. */
  readonly where?: string;
}

/** What load/budget.json holds. */
export interface Budgets {
  readonly budgets: readonly Budget[];
  /** What a change must not multiply by more than `timesMax` from what was recorded. */
  readonly guard: { readonly measurement: string; readonly recorded: number; readonly timesMax: number };
}

export interface Judged extends Budget {
  readonly verdict: 'kept' | 'missed' | 'not measured';
  readonly median?: number;
  /** Why it was not measured. */
  readonly why?: string;
}

export async function readBudgets(): Promise<Budgets> {
  return JSON.parse(await readFile(new URL('budget.json', import.meta.url), 'utf8')) as Budgets;
}

/** Each budget with what was measured, judged by the median of the rounds. */
export function judge({ budgets }: Budgets, { measurements, absent }: Pick<Found, 'measurements' | 'absent'>): Judged[] {
  return budgets.map((budget): Judged => {
    const { measurement, max = Number.POSITIVE_INFINITY, min = Number.NEGATIVE_INFINITY } = budget;
    const median = measurements[measurement]?.median;
    if (median === undefined) return { ...budget, verdict: 'not measured', why: absent[measurement] ?? 'this run did not measure it' };
    // A figure that is no number keeps nothing; in a result that was written and read again it is null.
    const kept = Number.isFinite(median) && median <= max && median >= min;
    return { ...budget, verdict: kept ? 'kept' : 'missed', median: median ?? Number.NaN };
  });
}

/** What a check fails for: what was missed, and what was not measured although it can be everywhere, or without a reason. */
export function misses(judged: readonly Judged[], absent: Found['absent']): Judged[] {
  const excused = ({ measurement, where }: Judged) => where !== undefined && absent[measurement] !== undefined;
  return judged.filter((one) => one.verdict === 'missed' || (one.verdict === 'not measured' && !excused(one)));
}

/** Why the guard fails, in words; undefined where it holds. A ratio of one run, never a time: another machine has another. */
export function guardProblem({ guard }: Budgets, measurements: Found['measurements']): string | undefined {
  const { measurement, recorded, timesMax } = guard;
  const median = measurements[measurement]?.median ?? Number.NaN;
  if (median <= recorded * timesMax) return undefined;
  return `${measurement} is ${median}: more than ${timesMax} times the ${recorded} that load/budget.json records`;
}
