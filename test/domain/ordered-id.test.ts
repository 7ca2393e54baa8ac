import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { orderedId } from '../../src/domain/ordered-id.ts';

test('ids sort by the millisecond they were made in, and are never the same', () => {
  const times = [1_700_000_000_000, 1_700_000_000_001, 1_796_000_000_000, 2_800_000_000_000];
  const ids = times.flatMap((now) => [orderedId(now, randomUUID()), orderedId(now, randomUUID())]);
  expect(new Set(ids).size).toBe(ids.length);
  const groups = times.map((_, at) => ids.slice(at * 2, at * 2 + 2));
  for (const [at, group] of groups.entries())
    for (const id of group) expect((groups[at + 1] ?? []).every((later) => id < later)).toBe(true);
});

test('they are reservation ids as the ledger takes them', () => {
  expect(orderedId(Date.now(), randomUUID())).toMatch(/^[\x21-\x7e]{1,128}$/);
});
