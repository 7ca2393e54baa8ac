import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { budget } from '../../ports/calls.ts';
import { hour, start } from '../../ports/subject.ts';
import { startRedis, type TestRedis } from '../../support/redis-server.ts';
import { admitMany, openLeased, terms } from './leased.ts';

let server: TestRedis;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(() => server.cli('FLUSHALL'));

test('a call whose draw nobody heard the answer of is given back by the settle that says it was not sent', async () => {
  let losing = false;
  const subject = await openLeased(server, {
    wrap: (connection) => ({
      ...connection,
      run: async (...script) => {
        const answer = await connection.run(...script);
        if (losing) throw new Error('the answer was lost');
        return answer;
      },
    }),
  });
  onTestFinished(() => subject.close());
  const { calls, ledger } = subject;
  const key = await calls.minted('AAAAAAAA', { budgets: [budget(1000)] });
  const ids = await admitMany(subject, key, { count: 4, price: 10 });
  losing = true;
  await expect(calls.admit(key, 10, { lease: terms, reservationId: 'lost' })).rejects.toThrow('the answer was lost');
  losing = false;
  await calls.settle(key, 'lost', 0, { released: true });
  for (const id of ids) await calls.settle(key, id, 10);
  await subject.giveBack();
  expect(await ledger.sweep({ now: start + hour })).toBe(0);
  expect(await calls.usage(key)).toEqual({ 'key:AAAAAAAA budget total': [40, 0] });
});
