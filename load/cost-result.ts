import type { Judged } from './budget.ts';
import type { Found } from './cost-terms.ts';

/** What a run writes to load/results/cost.json. */
export interface CostResult extends Found {
  readonly command: string;
  readonly date: string;
  readonly machine: {
    readonly cores: number;
    readonly model: string;
    readonly kernel: string;
    readonly node: string;
    /** The machine's load, averaged over a minute, when the run began: what else ran on it. */
    readonly loadBefore: number;
  };
  readonly rounds: number;
  readonly seconds: number;
  readonly judged: readonly Judged[];
  readonly wrong: readonly string[];
}
