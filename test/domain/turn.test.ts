import { expect, test } from 'vitest';
import { Turn } from '../../src/domain/turn.ts';

function setUp() {
  const ends: (() => void)[] = [];
  const turn = new Turn((act) => ends.push(act));
  const did: string[] = [];
  return { ends, turn, did, add: (name: string) => turn.add(() => void did.push(name)) };
}

test('what becomes due in one turn is done at its end, in its order and all at once', () => {
  const { ends, did, add } = setUp();
  add('first');
  add('second');
  add('third');
  expect([ends.length, did]).toEqual([1, []]);
  ends.shift()?.();
  expect([ends.length, did]).toEqual([0, ['first', 'second', 'third']]);
});

test('what becomes due while others are done waits for the next turn', () => {
  const { ends, turn, did, add } = setUp();
  turn.add(() => {
    did.push('first');
    add('of the next turn');
  });
  add('second');
  ends.shift()?.();
  expect([ends.length, did]).toEqual([1, ['first', 'second']]);
  ends.shift()?.();
  expect(did).toEqual(['first', 'second', 'of the next turn']);
});

test('what one of them throws is thrown, and those behind it are done in the next turn', () => {
  const { ends, turn, did, add } = setUp();
  add('first');
  turn.add(() => {
    throw new Error('a fault');
  });
  add('third');
  add('fourth');
  expect(() => ends.shift()?.()).toThrow('a fault');
  expect([ends.length, did]).toEqual([1, ['first']]);
  ends.shift()?.();
  expect([ends.length, did]).toEqual([0, ['first', 'third', 'fourth']]);
});
