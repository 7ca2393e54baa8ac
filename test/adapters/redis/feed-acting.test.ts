import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createActing } from '../../../src/adapters/redis/feed-acting.ts';

test('whatever comes while a round runs or ends is acted on without waiting for more', async () => {
  for (let steps = 0; steps < 40; steps += 1) {
    const told: string[] = [];
    const beats: string[] = [];
    const acting = createActing({ beat: async (acted) => void beats.push(acted) });
    acting.onChange(async (changed) => void told.push(...changed));
    acting.add(['one']);
    acting.act('1-0');
    for (let step = 0; step < steps; step += 1) await null;
    acting.add(['two']);
    acting.act('2-0');
    await turn();
    expect({ steps, told, acted: acting.acted, last: beats.at(-1) }).toEqual({ steps, told: ['one', 'two'], acted: '2-0', last: '2-0' });
  }
});

test('nothing is acknowledged before the listeners are through, nor told after the end', async () => {
  const through = Promise.withResolvers<void>();
  const told: (readonly string[] | 'all')[] = [];
  const acting = createActing({ beat: async () => undefined });
  acting.onChange((changed) => {
    told.push(changed);
    return through.promise;
  });
  acting.add(['one']);
  acting.addAll();
  acting.act('1-0');
  await turn();
  expect([told, acting.acted]).toEqual([['all'], '']);
  acting.add(['two']);
  acting.act('2-0');
  acting.stop();
  through.resolve();
  await turn();
  expect([told, acting.acted]).toEqual([['all'], '1-0']);
});
