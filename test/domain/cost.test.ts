import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { costOf, readCost } from '../../src/domain/cost.ts';
import type { ResponseMessage } from '../../src/domain/message.ts';
import { formatMicros, microsMax } from '../../src/domain/money.ts';
import { scan, scanLimits } from '../../src/domain/scan.ts';

const name = 'example.com/cost';

function response(text: string): ResponseMessage {
  const scanned = scan(Buffer.from(text), { ...scanLimits, loneSurrogates: true });
  if (!scanned.ok || scanned.message.kind !== 'response') throw new Error(scanned.ok ? 'no response' : scanned.detail);
  return scanned.message;
}

/** The cost that a result states by this JSON text. */
function stated(value: string) {
  return readCost(response(`{"jsonrpc":"2.0","id":1,"result":{"content":[],"_meta":{"other":1,"${name}": ${value} }}}`), name);
}

describe('readCost', () => {
  it.each([
    ['0.03', 30_000],
    ['"0.03"', 30_000],
    ['1e-7', 1],
    ['"1e-7"', 1],
    ['2.5E2', 250_000_000],
    ['0', 0],
    ['-0', 0],
    ['"-0.0"', 0],
    ['0e999', 0],
    ['0.0000001', 1],
    ['0.30000000000000004', 300_001],
    ['1.0000000', 1_000_000],
    ['1000000000', microsMax],
    ['"\\u0030.5"', 500_000],
    ['9007199254.740993e-6', 9_007_199_255],
  ])('%s', (value, cost) => {
    expect(stated(value)).toEqual({ cost });
  });

  it.each([
    ['-1', 'negative'],
    ['"-0.000001"', 'negative'],
    ['-1e-300', 'negative'],
    ['1000000000.0000001', 'too-large'],
    ['1e400', 'too-large'],
    ['1e10', 'too-large'],
    ['9007199254740993', 'too-large'],
    ['"NaN"', 'unreadable'],
    ['"Infinity"', 'unreadable'],
    ['""', 'unreadable'],
    ['" 1"', 'unreadable'],
    ['"+1"', 'unreadable'],
    ['"01"', 'unreadable'],
    ['".5"', 'unreadable'],
    ['"1."', 'unreadable'],
    ['"1,5"', 'unreadable'],
    ['"0x10"', 'unreadable'],
    ['"١"', 'unreadable'],
    ['"1\\n"', 'unreadable'],
    ['"\\ud800"', 'unreadable'],
    ['null', 'unreadable'],
    ['true', 'unreadable'],
    ['[0.5]', 'unreadable'],
    ['{"amount":0.5}', 'unreadable'],
    [`0.${'0'.repeat(70)}1`, 'unreadable'],
    [`"${'9'.repeat(100_000)}"`, 'unreadable'],
  ])('%.30s is no cost: %s', (value, fault) => {
    expect(stated(value)).toEqual({ fault });
  });

  it.each([
    ['no _meta', '"result":{"content":[]}'],
    ['a _meta that is no object', `"result":{"_meta":["${name}"]}`],
    ['a result that is no object', '"result":7'],
    ['another name', `"result":{"_meta":{"example.com/Cost":1}}`],
    ['the name deeper', `"result":{"_meta":{"a":{"${name}":1}}}`],
    ['the name beside _meta', `"result":{"${name}":1}`],
    ['the name in the content', `"result":{"content":[{"_meta":{"${name}":1}}]}`],
    ['an error', `"error":{"code":1,"message":"x","data":{"_meta":{"${name}":1}}}`],
  ])('%s states none', (_, member) => {
    expect(readCost(response(`{"jsonrpc":"2.0","id":1,${member}}`), name)).toEqual({ fault: 'missing' });
  });

  it('finds names that need escapes, and none that a prototype has', () => {
    const message = response('{"jsonrpc":"2.0","id":1,"result":{"_meta":{"exampl\\u0065.com/cost":"0.5"}}}');
    expect(readCost(message, name)).toEqual({ cost: 500_000 });
    for (const other of ['toString', '__proto__', 'constructor']) expect(readCost(message, other)).toEqual({ fault: 'missing' });
  });
});

describe('costOf', () => {
  it('gives every amount back that was formatted', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: microsMax }), (micros) => {
        expect(costOf(formatMicros(micros))).toEqual({ cost: micros });
      }),
    );
  });

  it('is the next whole micro-unit of any JSON number, and never a fraction, NaN or less than nothing', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (number) => {
        const reading = costOf(String(number));
        if ('fault' in reading) {
          expect(reading.fault).toBe(number < 0 ? 'negative' : 'too-large');
          if (number >= 0) expect(number).toBeGreaterThan(999_999_999);
          return;
        }
        expect(Number.isSafeInteger(reading.cost)).toBe(true);
        expect(reading.cost).toBeGreaterThanOrEqual(0);
        expect(reading.cost).toBeLessThanOrEqual(microsMax);
        // Within one micro-unit, and a float's own error.
        expect(Math.abs(reading.cost - number * 1e6)).toBeLessThanOrEqual(1 + Math.abs(number));
      }),
      { numRuns: 2000 },
    );
  });

  it('never throws and never gives anything but an amount, whatever the text', () => {
    const piece = fc.constantFrom('-', '+', '0', '1', '9', '.', 'e', 'E', ' ', 'NaN', 'Infinity', '__proto__', '\u0661');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        const reading = costOf(pieces.join(''));
        if ('cost' in reading) expect(reading.cost >= 0 && reading.cost <= microsMax && Number.isSafeInteger(reading.cost)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
});
