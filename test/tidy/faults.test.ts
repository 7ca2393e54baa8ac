import { expect, test } from 'vitest';
import { filesBelow, read } from './source-tree.ts';

const rows = read('docs/security/faults.md')
  .split('\n')
  .flatMap((line) => {
    const [, number = '', file = ''] = /^\| (F\d\d) \|.*\| (test\/\S+) \|$/.exec(line) ?? [];
    return number === '' ? [] : [`${number} ${file}`];
  });

/** Numbers at the front of the names of tests, as `it('F01 …'` or a row of `it.each`. */
const proven = filesBelow('test', '.test.ts').flatMap((file) => {
  const numbers = [...read(file).matchAll(/^\s*(?:it\(|\[)['`](F\d\d) /gm)].map(([, number]) => number);
  return [...new Set(numbers)].map((number) => `${number} ${file}`);
});

test('docs/security/faults.md has every fault that a test is named after, and no other', () => {
  expect(rows.length).toBeGreaterThan(40);
  expect(rows).toEqual([...rows].sort());
  expect(rows).toEqual([...proven].sort());
});
