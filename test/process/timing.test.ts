import { afterAll, beforeAll, expect, it } from 'vitest';
import { readKey } from '../../src/domain/credential.ts';
import { type Bench, startBench } from '../support/bench.ts';
import { openTimed, type Timed } from '../support/timed-post.ts';

const samples = 5_000;
const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

let bench: Bench;
let timed: Timed;
beforeAll(async () => {
  bench = await startBench({ config: { limits: { failedAuthPerMinuteMax: 1_000_000 } } });
  timed = await openTimed(bench.url);
});
afterAll(async () => {
  timed.close();
  await bench.close();
});

/** The key with another character at this place of its secret, and the checksum that belongs to it: without that it would be junk, which is never looked up. */
function changed(key: string, at: number, to: string): string {
  const start = key.lastIndexOf('_') + 1;
  const body = key.slice(0, start + at) + to + key.slice(start + at + 1, -6);
  return body + checksumOf(body);
}

/** CRC-32 in six characters of base 62, as docs/keys.md has it. */
function checksumOf(text: string): string {
  let value = 0xffffffff;
  for (const byte of Buffer.from(text)) {
    value ^= byte;
    for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  }
  let rest = (value ^ 0xffffffff) >>> 0;
  let characters = '';
  for (let at = 0; at < 6; at += 1) {
    characters = alphabet.charAt(rest % 62) + characters;
    rest = Math.floor(rest / 62);
  }
  return characters;
}

it('A20: 10,000 samples: how long a wrong key takes does not tell how much of it is right', async () => {
  const start = bench.key.lastIndexOf('_') + 1;
  const others = (at: number) => [...alphabet].filter((each) => each !== bench.key[start + at]);
  const guesses = { first: others(0).map((to) => changed(bench.key, 0, to)), last: others(42).map((to) => changed(bench.key, 42, to)) };
  for (const guess of [...guesses.first, ...guesses.last]) expect(readKey(guess, 'kg')).toBeDefined();
  const took = { first: [] as number[], last: [] as number[] };
  const sorts = ['first', 'last'] as const;
  for (let n = 0; n < samples; n += 1) {
    // In turns, and each first in every other turn, so that whatever else the machine does falls on both alike.
    for (const sort of n % 2 === 0 ? sorts : sorts.toReversed()) {
      const { status, ms } = await timed.ask(guesses[sort][n % guesses[sort].length] ?? '');
      expect(status).toBe(401);
      took[sort].push(ms);
    }
  }
  const difference = took.first.map((ms, n) => ms - (took.last[n] ?? 0)).toSorted((a, b) => a - b);
  const middle = difference[Math.floor(samples / 2)] ?? Number.NaN;
  // The order statistics between which the median lies with 99.9 % confidence (binomial, normal approximation).
  const reach = Math.ceil(3.29 * Math.sqrt(samples) * 0.5);
  const low = difference[Math.floor(samples / 2) - reach] ?? Number.NaN;
  const high = difference[Math.floor(samples / 2) + reach] ?? Number.NaN;
  console.log(
    `the median difference is ${(middle * 1_000).toFixed(2)} µs, between ${(low * 1_000).toFixed(2)} and ${(high * 1_000).toFixed(2)}`,
  );
  expect(bench.upstream.requests).toEqual([]);
  // No difference, or one so small that nobody measures it over a network: a byte-wise comparison of 43 characters differs by less, a look-up by far more.
  expect(Math.max(low, 0)).toBeLessThan(0.005);
  expect(Math.max(-high, 0)).toBeLessThan(0.005);
  expect((await bench.gate.journal('call.refused')).length).toBe(0);
});
