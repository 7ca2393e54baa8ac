import { expect, it } from 'vitest';
import { type Channel, createTalk } from '../../../src/adapters/workers/talk.ts';

interface Sums {
  add: { given: readonly number[]; answer: number };
  never: { given: undefined; answer: undefined };
}
interface Nothing {
  [what: string]: never;
}

/** Two ends of a pipe. @param fails  what sending comes to */
function pipe({ fails }: { fails?: Error } = {}): [Channel, Channel] {
  const listeners: ((message: unknown) => void)[][] = [[], []];
  const end = (own: 0 | 1): Channel => ({
    send(message, failed) {
      if (fails) return failed(fails);
      queueMicrotask(() => {
        for (const listener of listeners[1 - own] ?? []) listener(structuredClone(message));
      });
    },
    onMessage: (listener) => void listeners[own]?.push(listener),
  });
  return [end(0), end(1)];
}

function between(ends: [Channel, Channel]) {
  createTalk<Sums, Nothing>(ends[1], {
    add: (numbers) => {
      if (numbers.length === 0) throw new Error('there is nothing to add');
      return numbers.reduce((sum, number) => sum + number, 0);
    },
    never: () => new Promise<undefined>(() => undefined),
  });
  return createTalk<Nothing, Sums>(ends[0], {});
}

it('answers each question with its own answer, whatever is asked meanwhile', async () => {
  const talk = between(pipe());
  const answers = await Promise.all(Array.from({ length: 20 }, (_, at) => talk.ask('add', [at, 1], 1_000)));
  expect(answers).toEqual(Array.from({ length: 20 }, (_, at) => at + 1));
});

it('says why the other side failed', async () => {
  await expect(between(pipe()).ask('add', [], 1_000)).rejects.toThrow('there is nothing to add');
});

it('does not wait longer than it may, nor for a side that has ended, nor where nothing can be sent', async () => {
  const talk = between(pipe());
  await expect(talk.ask('never', undefined, 5)).rejects.toThrow('no answer within 5 ms');
  const waiting = talk.ask('never', undefined, 60_000);
  talk.end();
  await expect(waiting).rejects.toThrow('the other process has ended');
  await expect(talk.ask('add', [1], 60_000)).rejects.toThrow('the other process has ended');
  await expect(between(pipe({ fails: new Error('the pipe is closed') })).ask('add', [1], 60_000)).rejects.toThrow('the pipe is closed');
});

it('what is no message of a talk is let pass', async () => {
  const ends = pipe();
  const talk = between(ends);
  for (const message of [{}, { ask: 1 }, { answer: 99, value: 1 }]) ends[0].send(message, () => undefined);
  expect(await talk.ask('add', [2, 3], 1_000)).toBe(5);
});
