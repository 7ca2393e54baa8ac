import { expect, test } from 'vitest';
import { entriesOfRow } from '../../../src/adapters/redis/journal-entry.ts';

test('a row gives the numbers of its records, their times, facts and marks', () => {
  const [first, second, third] = entriesOfRow('22-2', ['1', '{"a":1}', '2', '', 'm', '{"is":"threshold"}', '3', '{"m":"m"}']) ?? [];
  expect(first).toEqual({ seq: 22, time: '1', facts: '{"a":1}', mark: '' });
  expect(second).toEqual({ seq: 23, time: '2', facts: '', mark: '{"is":"threshold"}' });
  expect(third).toEqual({ seq: 24, time: '3', facts: '{"m":"m"}', mark: '' });
});

test.each([
  ['more than it says', '22-0', ['1', '{}', '2', '{}']],
  ['fewer than it says', '22-2', ['1', '{}', '2', '{}']],
  ['none', '22-0', []],
  ['a number that none begins with', '0-0', ['1', '{}']],
  ['a name of another form', '22-1234', ['1', '{}']],
])('a row that has %s is none that a script wrote', (_, id, fields) => {
  expect(entriesOfRow(id, fields)).toBeUndefined();
});
