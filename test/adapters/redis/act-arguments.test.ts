import { expect, test } from 'vitest';
import { actArguments } from '../../../src/adapters/redis/act-arguments.ts';

test('each plan is sent once, and the acts name it by its number', () => {
  const admit = (plan: string, id: string) => [plan, id, '1', '2', `intent ${id}`];
  const acts = [admit('{"a"}', 'r1'), ['settle', 'r0', '1', '5', 'outcome'], admit('{"b"}', 'r2'), admit('{"a"}', ''), ['release', 'r3']];
  expect(actArguments(['first', 'second'], acts)).toEqual([
    ...['first', 'second', '2', '{"a"}', '{"b"}'],
    ...['1', 'r1', '1', '2', 'intent r1'],
    ...['settle', 'r0', '1', '5', 'outcome'],
    ...['2', 'r2', '1', '2', 'intent r2'],
    ...['1', '', '1', '2', 'intent '],
    ...['release', 'r3', '', '', ''],
  ]);
  expect(actArguments([], [['settle', 'r0', '1', '5', 'outcome']])[0]).toBe('0');
});
