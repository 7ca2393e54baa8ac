import type { CostStand } from './cost-stand.ts';
import type { Measured, Way } from './measure.ts';
import { type Rounds, ratioOf, type Spread, spreadOf, type Warming } from './spread.ts';

/** How long and how often. */
export interface Pace {
  readonly rounds: number;
  readonly seconds: number;
  readonly warming: Warming;
}

/** What a part of the measurement is given. */
export interface Bench {
  readonly stand: CostStand;
  readonly pace: Pace;
  /** What went wrong, in words: then nothing that was measured counts. */
  readonly wrong: string[];
}

/** What a part of the measurement found. */
export interface Found {
  readonly tables: readonly Table[];
  /** Figures that budgets are about, by name. */
  readonly measurements: Readonly<Record<string, Spread>>;
  /** Measurements that could not be made here, by name, with the reason. */
  readonly absent: Readonly<Record<string, string>>;
}

export interface Table {
  readonly name: string;
  readonly title: string;
  readonly rows: readonly Row[];
}

/** What is told of a way in a table: times in milliseconds, processor time in microseconds. */
export type FigureName = 'callsPerSecond' | 'cpuPerCall' | 'storeCpuPerCall' | 'p50' | 'p99' | 'p999' | 'loopDelayMs' | 'residentMiB';

/** One way in one setting. */
export interface Row {
  readonly name: string;
  readonly title: string;
  /** Processor time a call, as a multiple of the way that the table compares with. */
  readonly cpuRatio?: Spread;
  readonly figures: Readonly<Partial<Record<FigureName, Spread>>>;
}

const told: Readonly<Record<FigureName, (measured: Measured) => number | undefined>> = {
  callsPerSecond: ({ callsPerSecond }) => callsPerSecond,
  cpuPerCall: ({ cpuPerCall }) => cpuPerCall || undefined,
  storeCpuPerCall: ({ storeCpuPerCall }) => storeCpuPerCall,
  p50: ({ p50 }) => p50,
  p99: ({ p99 }) => p99,
  p999: ({ p999 }) => p999,
  loopDelayMs: ({ loopDelayMs }) => loopDelayMs,
  residentMiB: ({ residentBytes }) => (residentBytes > 0 ? residentBytes / 1_048_576 : undefined),
};

/** A row for each way; `base` says which way's processor time, of the same round, its own is a multiple of. */
export function rowsOf(ways: readonly Way[], rounds: Rounds, base: (name: string) => string | undefined): Row[] {
  return ways.map(({ name, title, pids }) => {
    const measured = rounds.get(name) ?? [];
    const figures = Object.entries(told).flatMap(([figure, of]) => {
      const values = measured.map(of).filter((value) => value !== undefined);
      return values.length === 0 ? [] : [[figure, spreadOf(values)] as const];
    });
    const other = pids.length === 0 ? undefined : base(name);
    const ratio = other === undefined ? {} : { cpuRatio: ratioOf(rounds, name, other, cpu) };
    return { name, title, ...ratio, figures: Object.fromEntries(figures) };
  });
}

/** The processor time of a call. */
export const cpu = ({ cpuPerCall }: Measured): number => cpuPerCall;
