import { expect, test } from 'vitest';
import { rememberForTurn } from '../../../src/adapters/lmdb/turn-memo.ts';

function setUp() {
  const over: (() => void)[] = [];
  let stored = 1;
  let reads = 0;
  const memo = rememberForTurn(
    () => {
      reads += 1;
      return stored;
    },
    (act) => over.push(act),
  );
  return {
    memo,
    reads: () => reads,
    store: (value: number) => {
      stored = value;
    },
    endTurn: () => {
      for (const act of over.splice(0)) act();
    },
  };
}

test('a turn reads once, and the next turn anew', () => {
  const { memo, reads, store, endTurn } = setUp();
  expect([memo.read(), memo.read(), reads()]).toEqual([1, 1, 1]);
  store(2);
  expect(memo.read()).toBe(1);
  endTurn();
  expect([memo.read(), memo.read(), reads()]).toEqual([2, 2, 2]);
});

test('what was changed here is read anew in the same turn', () => {
  const { memo, reads, store } = setUp();
  memo.read();
  store(2);
  memo.forget();
  expect([memo.read(), reads()]).toEqual([2, 2]);
});

test('by itself a turn ends with the event loop', async () => {
  let stored = 1;
  const memo = rememberForTurn(() => stored);
  expect(memo.read()).toBe(1);
  stored = 2;
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  expect(memo.read()).toBe(2);
});
