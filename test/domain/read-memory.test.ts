import { expect, test } from 'vitest';
import { ReadMemory } from '../../src/domain/read-memory.ts';

/** As when a connection reads: what arrives is written over what arrived before. */
function arrive(memory: ReadMemory, bytes: number, byte: number): Buffer {
  memory.landing.fill(byte, 0, bytes);
  return memory.take(bytes);
}

const holds = (piece: Buffer, byte: number) => piece.every((each) => each === byte);

test('what arrived stays as it was, whatever arrives afterwards', () => {
  const memory = new ReadMemory();
  const lengths = [1, 8_191, 8_192, 16_384, 16_385, 65_536];
  const pieces = lengths.map((length, at) => arrive(memory, length, at + 1));
  for (const length of lengths) arrive(memory, length, 0xff);
  for (const [at, piece] of pieces.entries()) {
    expect(piece.length).toBe(lengths[at]);
    expect(holds(piece, at + 1)).toBe(true);
  }
});

test('what is given back is lent again, and nothing else is', () => {
  const memory = new ReadMemory();
  const first = arrive(memory, 40_000, 1);
  const kept = arrive(memory, 40_000, 2);
  memory.giveBack([first]);
  const again = arrive(memory, 45_000, 3);
  expect(again.buffer).toBe(first.buffer);
  expect(holds(again, 3)).toBe(true);
  expect(arrive(memory, 40_000, 4).buffer).not.toBe(kept.buffer);
  expect(holds(kept, 2)).toBe(true);
});

test('a piece that is given back in parts is lent once', () => {
  const memory = new ReadMemory();
  const piece = arrive(memory, 40_000, 1);
  memory.giveBack([piece.subarray(0, 10), piece.subarray(10_000), piece]);
  expect(arrive(memory, 40_000, 2).buffer).toBe(piece.buffer);
  expect(arrive(memory, 40_000, 3).buffer).not.toBe(piece.buffer);
});

test('memory that was not lent here is left alone', () => {
  const memory = new ReadMemory();
  const other = new ReadMemory();
  const pieces = [Buffer.alloc(40_000), Buffer.alloc(0), arrive(other, 40_000, 1), arrive(memory, 100, 2)];
  memory.giveBack(pieces);
  const next = [arrive(memory, 40_000, 3), arrive(memory, 100, 3)];
  for (const piece of next) expect(pieces.some(({ buffer }) => buffer === piece.buffer && piece.length > 100)).toBe(false);
  expect(holds(pieces[3] ?? Buffer.alloc(0), 2)).toBe(true);
});

test('4 MB are kept for later at most', () => {
  const memory = new ReadMemory();
  const pieces = Array.from({ length: 100 }, () => arrive(memory, 65_536, 1));
  memory.giveBack(pieces);
  const known = new Set(pieces.map(({ buffer }) => buffer));
  const again = Array.from({ length: 100 }, () => arrive(memory, 65_536, 2)).filter(({ buffer }) => known.has(buffer));
  expect(again).toHaveLength(64);
});
