import { expect, it } from 'vitest';
import { canonicalJson } from '../../src/domain/canonical-json.ts';
import { diffDefinitions } from '../../src/domain/definition-diff.ts';

const diff = (before: object, after: object) => diffDefinitions(canonicalJson(before), canonicalJson(after));

it('names each place that changed, and nothing else', () => {
  const before = { name: 'pay', annotations: { title: 'a', readOnlyHint: true }, inputSchema: { required: ['a'], 'x/y~z': 1, gone: null } };
  const after = {
    name: 'pay',
    annotations: { title: 'b', readOnlyHint: true },
    inputSchema: { required: ['a', 'b'], 'x/y~z': '1' },
    icons: [],
  };
  expect(diff(before, after)).toEqual({
    changes: [
      { path: '/annotations/title', part: 'wording', before: '"a"', after: '"b"' },
      { path: '/inputSchema/gone', part: 'schema', before: 'null' },
      { path: '/inputSchema/required/1', part: 'schema', after: '"b"' },
      { path: '/inputSchema/x~1y~0z', part: 'schema', before: '1', after: '"1"' },
      { path: '/icons', part: 'wording', after: '[]' },
    ],
    more: false,
  });
  expect(diff(before, before)).toEqual({ changes: [], more: false });
  expect(diff({ a: [] }, { a: {} }).changes).toEqual([{ path: '/a', part: 'annotations', before: '[]', after: '{}' }]);
});

it('a member called __proto__ is a member', () => {
  const hostile = JSON.parse('{"__proto__":{"a":1}}');
  expect(diff({}, hostile).changes).toEqual([{ path: '/__proto__', part: 'annotations', after: '{"a":1}' }]);
  expect(Reflect.get({}, 'a')).toBeUndefined();
});

it('is bounded in places and in the length of each', () => {
  const wide = Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`m${n}`, 'x'.repeat(1_000)]));
  const { changes, more } = diff({}, wide);
  expect([changes.length, more]).toEqual([100, true]);
  expect(Math.max(...changes.map(({ after }) => after?.length ?? 0))).toBeLessThan(410);
});
