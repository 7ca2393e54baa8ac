import { expect, test, vi } from 'vitest';
import type { Connection } from '../../../src/adapters/redis/connection.ts';
import { groupCalls } from '../../../src/adapters/redis/grouped.ts';
import { scriptOf } from '../../../src/adapters/redis/scripts.ts';

/** A server that answers each call with itself, and says which calls came in one script. */
function prepare(fails: (calls: readonly string[]) => boolean = () => false) {
  const scripts: string[] = [];
  const run: Connection['run'] = async (_script, [prefix], [first, ...calls]) => {
    scripts.push(`${prefix} ${first} ${calls.join(' ')}`);
    if (fails(calls)) throw new Error('ERR user_script:1: damaged');
    return calls.join('\n');
  };
  const act = groupCalls({
    connection: { run } as Connection,
    script: scriptOf('acts', ''),
    argumentsOf: (calls) => ['first', ...calls.flat()],
  });
  return { scripts, act: (partition: string, name: string, patient = false) => act(partition, [name], { patient }) };
}

test('calls of one turn share a script, each partition its own', async () => {
  const { scripts, act } = prepare();
  expect(await Promise.all([act('p1', 'a'), act('p2', 'b'), act('p1', 'c')])).toEqual(['a', 'b', 'c']);
  expect(scripts).toEqual(['kg:{p1}: first a c', 'kg:{p2}: first b']);
});

test('what nobody waits for goes with the next call of its partition, and with no other', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout'] });
  try {
    const { scripts, act } = prepare();
    const patient = [act('p1', 'a', true), act('p2', 'b', true)];
    await act('p3', 'c');
    expect(scripts).toEqual(['kg:{p3}: first c']);
    expect(await Promise.all([act('p1', 'd'), patient[0]])).toEqual(['d', 'a']);
    expect(scripts.slice(1)).toEqual(['kg:{p1}: first a d']);
    vi.advanceTimersByTime(4);
    expect(scripts).toHaveLength(2);
    vi.advanceTimersByTime(1);
    expect(await patient[1]).toBe('b');
    expect(scripts.slice(2)).toEqual(['kg:{p2}: first b']);
  } finally {
    vi.useRealTimers();
  }
});

test('what is about to be sent when patience ends is sent once', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout'] });
  try {
    const { scripts, act } = prepare();
    const both = [act('p1', 'a', true), act('p1', 'b')];
    vi.advanceTimersByTime(5);
    const later = act('p1', 'c', true);
    expect(await Promise.all(both)).toEqual(['a', 'b']);
    vi.advanceTimersByTime(5);
    expect(await later).toBe('c');
    expect(scripts.map((each) => each.replace('kg:{p1}: first ', '')).join(' ')).toBe('a b c');
  } finally {
    vi.useRealTimers();
  }
});

test('what one call finds damaged fails it alone, whatever shared its script', async () => {
  const { act } = prepare((calls) => calls.includes('damaged'));
  const settled = await Promise.allSettled([act('p1', 'a', true), act('p1', 'damaged'), act('p1', 'b')]);
  expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
});
