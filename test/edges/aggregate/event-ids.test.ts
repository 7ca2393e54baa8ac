import { expect, it } from 'vitest';
import { joinEventIds, splitEventIds } from '../../../src/edges/aggregate/event-ids.ts';

it('one id for the newest of each', () => {
  const ids = new Map([
    ['wiki', 'AbC_-1'],
    ['docs', 'Z'],
  ]);
  const joined = joinEventIds(ids);
  expect(joined).toBe('wiki.AbC_-1~docs.Z');
  expect([...(splitEventIds(joined) ?? [])]).toEqual([...ids]);
});

it('a member’s own id is no joined one, and what is no part counts for nothing', () => {
  expect(splitEventIds('AbC_-1')).toBeUndefined();
  expect([...(splitEventIds('wiki.A~.B~Wiki.C~x') ?? [])]).toEqual([['wiki', 'A']]);
});
