import { expect, test } from 'vitest';
import { PlainRun } from '../../src/domain/plain-run.ts';

/** The same, one byte at a time. */
function slowly(bytes: Buffer, from: number): number {
  const end = bytes.subarray(from).findIndex((byte) => byte < 0x20 || byte > 0x7f || byte === 0x22 || byte === 0x5c);
  return end < 0 ? bytes.length : from + end;
}

test('every byte ends a run or does not, wherever it stands and however the bytes lie in memory', () => {
  const memory = new ArrayBuffer(160);
  for (const offset of [0, 1, 2, 3]) {
    const bytes = Buffer.from(memory, offset, 140);
    const run = new PlainRun(bytes);
    for (let place = 0; place < bytes.length; place += 1) {
      for (const byte of [0x00, 0x0a, 0x1f, 0x20, 0x21, 0x22, 0x23, 0x5b, 0x5c, 0x5d, 0x7e, 0x7f, 0x80, 0xa2, 0xdc, 0xff]) {
        bytes.fill(0x61);
        bytes[place] = byte;
        // What follows may make the words before look otherwise than they are.
        bytes[Math.min(place + 9, bytes.length - 1)] = 0x00;
        for (const from of [0, 1, 6]) if (run.end(from) !== slowly(bytes, from)) expect([offset, place, byte, from]).toBe('found');
      }
    }
  }
});

test('any bytes', () => {
  let state = 7;
  const next = () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state >>> 16;
  };
  for (let round = 0; round < 3000; round += 1) {
    const bytes = Buffer.from(
      Uint8Array.from({ length: 100 + (next() % 100) }, () => (next() % 60 === 0 ? next() % 256 : 0x20 + (next() % 2))),
    );
    const from = next() % 5;
    expect(new PlainRun(bytes).end(from)).toBe(slowly(bytes, from));
  }
});

test('in long runs too, whatever was asked before', () => {
  const memory = new ArrayBuffer(6_000);
  for (const offset of [0, 3]) {
    const bytes = Buffer.from(memory, offset, 5_000);
    for (const places of [[1_300], [1_300, 1_301], [2_000, 4_900], [1_023, 1_056, 4_000], [4_999], []]) {
      for (const byte of [0x00, 0x1f, 0x22, 0x5c, 0x80, 0xff]) {
        bytes.fill(0x61);
        for (const place of places) bytes[place] = byte;
        const run = new PlainRun(bytes);
        // Forwards as a walk goes, and back again.
        for (const from of [0, 1, 1_200, 1_301, 1_302, 3_000, 4_990, 100, 0]) {
          if (run.end(from) !== slowly(bytes, from)) expect([offset, places, byte, from]).toBe('found');
        }
      }
    }
  }
});
