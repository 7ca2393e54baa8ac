import { createHash, createHmac } from 'node:crypto';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { composeKey, digestKey, displayOf, pepperId, randomId, readKey } from '../../src/domain/credential.ts';

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const secret = Buffer.alloc(32, 7);
const key = composeKey({ prefix: 'kg', environment: 'live', id: 'AbCd1234', secret });

const number = (text: string): bigint => [...text].reduce((sum, digit) => sum * 62n + BigInt(alphabet.indexOf(digit)), 0n);
const secrets = fc.uint8Array({ minLength: 32, maxLength: 32 });
const ids = fc.array(fc.constantFrom(...alphabet), { minLength: 8, maxLength: 8 }).map((some) => some.join(''));
const keys = fc
  .record({ prefix: fc.constantFrom('kg', 'acme', 'my_co'), environment: fc.constantFrom('live', 'test'), id: ids, secret: secrets })
  .map((options) => ({ ...options, text: composeKey(options) }));

describe('composeKey and readKey', () => {
  it('has the documented form', () => {
    expect(key).toMatch(/^kg_live_AbCd1234_[0-9A-Za-z]{49}$/);
    expect(readKey(key, 'kg')).toEqual({ environment: 'live', id: 'AbCd1234' });
  });

  it('ends with the CRC-32 of zlib over all before it', () => {
    fc.assert(fc.property(keys, ({ text }) => number(text.slice(-6)) === BigInt(crc32(text.slice(0, -6)))));
  });

  it('loses nothing of the secret', () => {
    fc.assert(
      fc.property(keys, ({ text, secret: bytes }) => number(text.slice(-49, -6)) === BigInt(`0x${Buffer.from(bytes).toString('hex')}`)),
    );
    for (const fill of [0, 255]) {
      expect(composeKey({ prefix: 'kg', environment: 'test', id: '00000000', secret: Buffer.alloc(32, fill) })).toHaveLength(66);
    }
  });

  it('reads what it composed, and only with its own prefix', () => {
    fc.assert(
      fc.property(keys, ({ text, prefix, environment, id }) => {
        expect(readKey(text, prefix)).toEqual({ environment, id });
        expect(readKey(text, 'other')).toBeUndefined();
        expect(readKey(text, 'k')).toBeUndefined();
      }),
    );
  });

  it('rejects every change of one character', () => {
    fc.assert(
      fc.property(
        keys,
        fc.nat(),
        fc.constantFrom(...alphabet, '_', '-', ' ', '\n', 'é', '\u0141'),
        ({ text, prefix }, where, character) => {
          const at = where % text.length;
          fc.pre(text[at] !== character);
          expect(readKey(text.slice(0, at) + character + text.slice(at + 1), prefix)).toBeUndefined();
        },
      ),
      { numRuns: 5_000 },
    );
  });

  it.each([
    '',
    'kg',
    '*',
    '{tag}',
    'a:b',
    `${key} `,
    `${key}\n`,
    ` ${key}`,
    key.toLowerCase(),
    key.slice(0, -1),
    `${key}0`,
    `x${key}`,
    key.replace('_live_', '_prod_'),
  ])('A40: rejects %j', (text) => {
    expect(readKey(text, 'kg')).toBeUndefined();
  });

  it('A40: rejects a megabyte at once, and junk of the right length quickly', () => {
    const huge = 'kg_live_'.padEnd(1_000_000, 'A');
    const junk = `${key.slice(0, -1)}${key.endsWith('0') ? '1' : '0'}`;
    const began = performance.now();
    for (let round = 0; round < 50_000; round += 1) {
      expect(readKey(huge, 'kg') ?? readKey(junk, 'kg')).toBeUndefined();
    }
    expect(performance.now() - began).toBeLessThan(4_000);
  });

  it('refuses to compose what it could not read', () => {
    expect(() => composeKey({ prefix: 'kg', environment: 'live', id: 'AbCd1234', secret: Buffer.alloc(31) })).toThrow();
    expect(() => composeKey({ prefix: 'kg', environment: 'live', id: 'short', secret })).toThrow();
  });
});

describe('displayOf', () => {
  it('shows prefix, environment, id and the end of the checksum', () => {
    expect(displayOf(key)).toEqual({ prefix: 'kg_live_AbCd1234', last4: key.slice(-4) });
    expect(displayOf(composeKey({ prefix: 'my_co', environment: 'test', id: 'AbCd1234', secret })).prefix).toBe('my_co_test_AbCd1234');
  });
});

describe('digestKey and pepperId', () => {
  it('are what they say', () => {
    expect(digestKey(key, 'pepper')).toBe(createHmac('sha256', 'pepper').update(key).digest('hex'));
    expect(digestKey(key, 'other')).not.toBe(digestKey(key, 'pepper'));
    expect(pepperId('pepper')).toBe(createHash('sha256').update('keygate-pepper-idpepper').digest('hex').slice(0, 8));
  });
});

describe('randomId', () => {
  it('is eight base62 characters, each about as often as the others', () => {
    const counts = new Map<string, number>();
    for (let round = 0; round < 4_000; round += 1) {
      const id = randomId(createHash('sha256').update(String(round)).digest().subarray(0, 16));
      expect(id).toMatch(/^[0-9A-Za-z]{8}$/);
      for (const character of id) counts.set(character, (counts.get(character) ?? 0) + 1);
    }
    expect(counts.size).toBe(62);
    // 516 expected; six standard deviations are 135.
    for (const count of counts.values()) expect(Math.abs(count - 32_000 / 62)).toBeLessThan(135);
  });

  it('needs sixteen bytes', () => {
    expect(() => randomId(new Uint8Array(15))).toThrow();
  });
});
