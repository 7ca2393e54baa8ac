import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { splitBatch } from '../../src/domain/batch.ts';
import { scan, scanLimits } from '../../src/domain/scan.ts';

const split = (text: string, elementsMax = 50) => {
  const bytes = Buffer.from(text);
  const spans = splitBatch(bytes, { limits: scanLimits, elementsMax });
  return typeof spans === 'string' ? spans : spans.map(({ start, end }) => bytes.toString('utf8', start, end));
};

describe('splitBatch', () => {
  it('gives each element as it stands', () => {
    expect(split(' [ {"a" : [1, {"b":"]"}]} ,\n7,"x" , {}\t]')).toEqual(['{"a" : [1, {"b":"]"}]}', '7', '"x"', '{}']);
  });

  it.each([
    ['[]', 'The batch is empty.'],
    ['[1]', 'The batch holds no message.'],
    ['[null,"a"]', 'The batch holds no message.'],
    ['[{},[{}]]', 'A batch inside of a batch is no message.'],
  ])('%s: %s', (text, why) => expect(split(text)).toBe(why));

  it('reads no further than one element too many', () => {
    expect(split(`[${'{},'.repeat(60)}{}]`, 3)).toHaveLength(4);
  });

  it('agrees with JSON.parse about what the elements are', () => {
    const element = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ maxDepth: 3 }));
    fc.assert(
      fc.property(fc.array(element, { minLength: 1, maxLength: 9 }), fc.constantFrom(undefined, 1, '\t'), (values, indent) => {
        const text = JSON.stringify(values, null, indent);
        fc.pre(!scan(Buffer.from(text), scanLimits).ok);
        expect((split(text) as string[]).map((each) => JSON.parse(each))).toEqual(JSON.parse(text));
      }),
      { seed: 20261130, numRuns: 200 },
    );
  });
});
