import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { splice } from '../../src/domain/splice.ts';

const bytes = Buffer.from('0123456789');
const edit = (start: number, end: number, text: string | Buffer = '') => ({ span: { start, end }, text });

describe('splice', () => {
  it('replaces spans given in any order', () => {
    expect(splice(bytes, [edit(7, 9, 'é'), edit(0, 2, Buffer.from('ab')), edit(4, 4, '+')]).toString()).toBe('ab23+456é9');
    expect(bytes.toString()).toBe('0123456789');
  });

  it('takes spans that touch, the whole, and the very end', () => {
    expect(splice(bytes, [edit(2, 4), edit(0, 2, 'x')]).toString()).toBe('x456789');
    expect(splice(bytes, [edit(0, 10, 'all')]).toString()).toBe('all');
    expect(splice(bytes, [edit(10, 10, '!')]).toString()).toBe('0123456789!');
  });

  it.each([
    ['an overlap', [edit(2, 5), edit(4, 6)]],
    ['one inside another', [edit(4, 5), edit(2, 8)]],
    ['a start before the bytes', [edit(-1, 2)]],
    ['an end behind the bytes', [edit(5, 11)]],
    ['a reversed span', [edit(5, 4)]],
    ['no number', [edit(Number.NaN, 4)]],
  ])('throws on %s', (_what, edits) => expect(() => splice(bytes, edits)).toThrow(RangeError));

  it('equals slicing the text', () => {
    const cuts = fc
      .uniqueArray(fc.integer({ min: 0, max: 10 }), { minLength: 2, maxLength: 6 })
      .map((places) => places.sort((a, b) => a - b));
    fc.assert(
      fc.property(cuts, fc.string(), (places, text) => {
        const pairs = places.flatMap((start, index) =>
          index % 2 === 0 && places[index + 1] !== undefined ? [[start, places[index + 1] ?? 0]] : [],
        );
        const expected = pairs.reduceRight(
          (whole, [start = 0, end = 0]) => whole.slice(0, start) + text + whole.slice(end),
          bytes.toString(),
        );
        const edits = pairs.map(([start = 0, end = 0]) => edit(start, end, text)).reverse();
        expect(splice(bytes, edits).toString()).toBe(expected);
      }),
      { seed: 7, numRuns: 300 },
    );
  });
});
