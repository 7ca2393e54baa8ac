import { expect, test } from 'vitest';
import { partitionOf, rememberPartitions } from '../../../src/adapters/redis/layout.ts';

test('a partition that is remembered is the one that a root has, however many were asked for', () => {
  const remembered = rememberPartitions();
  for (let round = 0; round < 2; round += 1) {
    for (let at = 0; at < 25_000; at += 1) if (remembered(`key:${at}`) !== partitionOf(`key:${at}`)) throw new Error(`key:${at} moved`);
  }
  expect(remembered('account:acme')).toBe(partitionOf('account:acme'));
});
