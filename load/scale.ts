import { writeFile } from 'node:fs/promises';
import { cpus, release } from 'node:os';
import { parseArgs } from 'node:util';
import type { Point, Setting } from './scale-point.ts';
import { type Idle, type Round, runRound, type Sealing } from './scale-round.ts';
import { tellScale } from './scale-tell.ts';

/**
 * `npm run load:scale [-- --rounds N] [-- --seconds N] [-- --smoke] [-- --out FILE]`: one, two and four gateways on one Redis, all processes of it side by
 * side on this machine. Compares upstream, journal and ledger on every call, and says what a call costs each of the processes. Exit code 1 where
 * anything was wrong. What it writes is what load/simulate.ts predicts from.
 */
export interface Measurement {
  readonly command: string;
  readonly date: string;
  readonly machine: { readonly cores: number; readonly model: string; readonly kernel: string; readonly node: string };
  readonly rounds: number;
  readonly secondsPerPoint: number;
  readonly calls: number;
  readonly wrong: readonly string[];
  /** Each of the round in which most calls passed: what slows a machine from outside is no part of what a call costs. */
  readonly points: readonly Point[];
  /** The least and the most calls in a second of the rounds, in the order of the points. */
  readonly spread: readonly (readonly [number, number])[];
  readonly idle: readonly Idle[];
  readonly sealing: Sealing;
}

/** Cores that other programs of the machine may use while a point is measured. */
const othersMax = { smoke: Number.POSITIVE_INFINITY, whole: 0.12 } as const;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '3' },
    smoke: { type: 'boolean', default: false },
    out: { type: 'string' },
  },
});
const rounds = values.smoke ? 1 : Number(values.rounds);
const ms = values.smoke ? 1_500 : Number(values.seconds) * 1000;
if (!(Number.isInteger(rounds) && rounds >= 1 && rounds <= 20 && Number.isInteger(ms) && ms >= 500 && ms <= 60_000)) {
  console.error('--rounds is a whole number from 1 to 20, --seconds one from 1 to 60: how long each point is measured');
  process.exit(2);
}
process.exitCode = await benchmark();

async function benchmark(): Promise<number> {
  const settings = values.smoke ? smokeSettings() : allSettings();
  const wrong: string[] = [];
  const all: Round[] = [];
  for (let nth = 0; nth < rounds; nth += 1) {
    const times = values.smoke ? { warmMs: 300, coldMs: 300, ms } : { warmMs: 1_000, coldMs: 4_000, ms };
    const idle = nth === 0 && !values.smoke;
    all.push(await runRound({ settings, ...times, othersMax: othersMax[values.smoke ? 'smoke' : 'whole'], idle, wrong }));
  }
  const each = settings.map((_, at) => all.flatMap(({ points }) => points[at] ?? []).sort((one, other) => one.perSecond - other.perSecond));
  const best = each.flatMap((sorted) => sorted.at(-1) ?? []);
  const measurement: Measurement = {
    command: `node load/scale.ts --rounds ${rounds} --seconds ${ms / 1000}`,
    date: new Date().toISOString(),
    machine: { cores: cpus().length, model: cpus()[0]?.model ?? '', kernel: release(), node: process.version },
    ...{ rounds, secondsPerPoint: ms / 1000, calls: all.reduce((sum, { calls }) => sum + calls, 0), wrong },
    points: best,
    spread: each.map((sorted, at) => [sorted[0]?.perSecond ?? Number.NaN, best[at]?.perSecond ?? Number.NaN] as const),
    idle: all.flatMap(({ idle }) => idle),
    sealing: quickest(all.map(({ sealing }) => sealing)),
  };
  tellScale(measurement);
  if (values.out !== undefined) await writeFile(values.out, `${JSON.stringify(measurement, null, 1)}\n`);
  return wrong.length === 0 ? 0 : 1;
}

function quickest(all: readonly Sealing[]): Sealing {
  const [first] = [...all].sort((one, other) => one.sealerMicros - other.sealerMicros);
  if (!first) throw new Error('There is one round at least.');
  return first;
}

/** One gateway at rising concurrency is what the model is made from; two and four are what it is held against. */
function allSettings(): Setting[] {
  const usual = { connections: 64, accounts: 'many', leased: false, fsync: 'everysec' } as const;
  const withMore = [1, 2, 4].flatMap((gateways): Setting[] => [
    ...(gateways === 1 ? [1, 4, 16].map((connections) => ({ ...usual, gateways, connections })) : []),
    { ...usual, gateways, leased: true },
    { ...usual, gateways, leased: true, accounts: 'one' },
    { ...usual, gateways, accounts: 'one' },
    { ...usual, gateways, fsync: 'always' },
    { ...usual, gateways },
  ]);
  return withMore;
}

function smokeSettings(): Setting[] {
  const usual = { connections: 8, accounts: 'many', leased: false, fsync: 'everysec' } as const;
  return [
    { ...usual, gateways: 1, leased: true },
    { ...usual, gateways: 2 },
  ];
}
