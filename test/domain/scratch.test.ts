import { expect, test } from 'vitest';
import { Scratch } from '../../src/domain/scratch.ts';

const filled = (length: number, byte: number) => Buffer.alloc(length, byte);

test('pieces are put together whole, whatever stood there before', () => {
  const scratch = new Scratch();
  for (const lengths of [[3, 4], [200_000, 1], [1, 0, 2], [131_072], [1_000_000, 48_576], [1_000_000, 48_577], [], [5, 5]]) {
    const pieces = lengths.map((length, at) => filled(length, at + 1));
    expect(scratch.join(pieces).equals(Buffer.concat(pieces))).toBe(true);
  }
});

test('the memory is used again, and more of it taken only for a longer text', () => {
  const scratch = new Scratch();
  const first = scratch.join([filled(100, 1), filled(100, 1)]);
  expect(scratch.join([filled(60_000, 2), filled(60_000, 2)]).buffer).toBe(first.buffer);
  expect(scratch.join([filled(100_000, 3), filled(60_000, 3)]).buffer).not.toBe(first.buffer);
});

test('a text longer than is kept lies in memory of its own', () => {
  const scratch = new Scratch();
  const long = scratch.join([filled(1_048_576, 1), filled(1, 1)]);
  scratch.join([filled(1_048_575, 2), filled(1, 2)]);
  expect(long.every((byte) => byte === 1)).toBe(true);
});

test('what is kept is not written over', () => {
  const scratch = new Scratch();
  const kept = scratch.join([filled(100, 1), filled(100, 1)]);
  scratch.keep();
  scratch.join([filled(100, 2), filled(100, 2)]);
  expect(kept.every((byte) => byte === 1)).toBe(true);
});
