import { seeded } from '../support/replica-load.ts';

/** Draws that repeat for the same seed. */
export interface Chance {
  is(probability: number): boolean;
  /** A whole number from `from` up to and including `to`. */
  between(from: number, to: number): number;
  of<T>(all: readonly T[]): T;
  bytes(count: number): Uint8Array;
}

export function chanceOf(seed: number): Chance {
  const draw = seeded(seed);
  const between = (from: number, to: number): number => from + Math.floor(draw() * (to - from + 1));
  return {
    is: (probability) => draw() < probability,
    between,
    of: (all) => {
      const one = all[between(0, all.length - 1)];
      if (one === undefined) throw new Error('There is nothing to choose from.');
      return one;
    },
    bytes: (count) => Uint8Array.from({ length: count }, () => between(0, 255)),
  };
}
