import type { Measured, Way } from './measure.ts';

/** The median of all rounds, and how far they lie apart. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

const digits = 4;

export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((one, other) => one - other);
  const nth = (at: number) => sorted[at] ?? Number.NaN;
  const half = (sorted.length - 1) / 2;
  const rounded = (value: number) => Number(value.toPrecision(digits));
  return {
    // Of an even number, the middle between the two in the middle.
    median: rounded((nth(Math.floor(half)) + nth(Math.ceil(half))) / 2),
    min: rounded(nth(0)),
    max: rounded(nth(sorted.length - 1)),
  };
}

/** Of values that belong together because they were measured one after the other, round by round. */
export function spreadOver(rounds: number, of: (round: number) => number): Spread {
  return spreadOf(Array.from({ length: rounds }, (_, round) => of(round)));
}

/** Rounds of ways that were measured in turn, by the ways' names. */
export type Rounds = ReadonlyMap<string, readonly Measured[]>;

/** `of` of one way as a multiple of that of another, each in the same round. */
export function ratioOf(rounds: Rounds, one: string, other: string, of: (measured: Measured) => number): Spread {
  const [ones, others] = [rounds.get(one) ?? [], rounds.get(other) ?? []];
  return spreadOver(ones.length, (round) => {
    const [upper, lower] = [ones[round], others[round]];
    return upper && lower ? of(upper) / of(lower) : Number.NaN;
  });
}

/** Calls after which the compiler has seen nearly all of a process, and the seconds that are given to it at most. */
export interface Warming {
  readonly calls: number;
  readonly seconds: number;
}

/**
 * Warms each way up, then measures all of them in each round, in turn and in a different order, so that what else the machine does meets all of
 * them alike. Appends what went wrong to `wrong`.
 */
export async function alternate(
  ways: readonly Way[],
  options: { rounds: number; warming: Warming; wrong: string[]; measure: (way: Way) => Promise<Measured> },
): Promise<Rounds> {
  const { rounds, warming, wrong, measure } = options;
  const all = new Map<string, Measured[]>(ways.map(({ name }) => [name, []]));
  const checked = async (way: Way): Promise<Measured> => {
    const measured = await measure(way);
    if (measured.wrong > 0) wrong.push(`${way.name}: ${measured.wrong} answers of ${measured.calls} were wrong`);
    return measured;
  };
  for (const way of ways) {
    // By calls, not by time: what is slow makes fewer in a second, and would be measured while it is still being compiled.
    const until = performance.now() + warming.seconds * 1_000;
    for (let calls = 0; calls < warming.calls && performance.now() < until; ) calls += (await checked(way)).calls;
  }
  for (let round = 0; round < rounds; round += 1) {
    for (let turn = 0; turn < ways.length; turn += 1) {
      const way = ways[(round + turn) % ways.length];
      if (way) all.get(way.name)?.push(await checked(way));
    }
  }
  return all;
}
