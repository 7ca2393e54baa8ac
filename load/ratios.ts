import type { Measured, Way } from './measure.ts';

const compared = ['callsPerSecond', 'p50', 'p99', 'cpuPerCall'] as const;

/** How often the bare relay's figure of the same round: the median of all rounds, and how far they lie apart. */
export interface Ratio {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export type Ratios = Record<'direct' | 'gate', Record<(typeof compared)[number], Ratio>>;

/** Absolute figures say more about the machine than about the gateway, so only these are told. */
export function ratiosOf(measured: Readonly<Record<Way['name'], readonly Measured[]>>): Ratios {
  const against = (name: 'direct' | 'gate') => {
    const each = (of: (typeof compared)[number]): Ratio => {
      const all = measured[name].map((round, at) => round[of] / (measured.relay[at]?.[of] ?? Number.NaN)).sort((one, other) => one - other);
      const nth = (at: number) => Number((all[at] ?? Number.NaN).toFixed(2));
      return { median: nth(Math.floor(all.length / 2)), min: nth(0), max: nth(all.length - 1) };
    };
    return { callsPerSecond: each('callsPerSecond'), p50: each('p50'), p99: each('p99'), cpuPerCall: each('cpuPerCall') };
  };
  return { direct: against('direct'), gate: against('gate') };
}

/** For people, then one line of JSON for programs. */
export function tell(told: {
  ratios: Ratios;
  rounds: number;
  seconds: number;
  connections: number;
  checkedCalls: number;
  wrong: readonly string[];
}): void {
  const { ratios, rounds, seconds, connections, checkedCalls, wrong } = told;
  if (wrong.length === 0)
    console.log(`correct: ${checkedCalls} calls looked at one by one; ledger, journal and upstream agree on all of them`);
  else for (const each of wrong) console.log(`WRONG: ${each}`);
  console.log(
    `\nas multiples of a bare relay (Hono and undici, no checks), median of ${rounds} rounds of ${seconds} s, ${connections} connections:\n`,
  );
  const row = (name: string, cells: readonly string[]) => console.log(name.padEnd(28) + cells.map((cell) => cell.padEnd(20)).join(''));
  row('', ['calls/s', 'p50', 'p99', 'CPU per call']);
  const shown = ({ median, min, max }: Ratio) => `${median} (${min} to ${max})`;
  for (const [name, title] of [
    ['direct', 'no relay at all'],
    ['gate', 'keygate, priced and durable'],
  ] as const) {
    // The direct way has no process in between whose work could be compared.
    row(
      title,
      compared.map((of) => (name === 'direct' && of === 'cpuPerCall' ? '-' : shown(ratios[name][of]))),
    );
  }
  const { cpuPerCall: _upstreamsOwn, ...direct } = ratios.direct;
  console.log(
    `\n${JSON.stringify({ correct: wrong.length === 0, rounds, seconds, connections, relativeTo: 'bare relay', direct, gate: ratios.gate })}`,
  );
}
