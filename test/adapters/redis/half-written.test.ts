import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { inPartition, partitionOf } from '../../../src/adapters/redis/layout.ts';
import { type KeyRecord, rootOf } from '../../../src/domain/key.ts';
import { budget } from '../../ports/calls.ts';
import { hour, recordsOf, start } from '../../ports/subject.ts';
import { startRedis, type TestRedis } from '../../support/redis-server.ts';
import { acquaint, admitMany, type LeasedSubject, openLeased, terms } from './leased.ts';

let server: TestRedis;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(() => server.cli('FLUSHALL'));

const open = async (): Promise<LeasedSubject> => {
  const subject = await openLeased(server);
  onTestFinished(() => subject.close());
  return subject;
};
const inPartitionOf = (key: KeyRecord, name: 'due' | 'leases' | 'holds' | 'journal' | 'seq') => inPartition[name](partitionOf(rootOf(key)));

/** Puts something else under the name while `act` runs. */
async function taken(name: string, act: () => Promise<unknown>): Promise<void> {
  const exists = (await server.cli('EXISTS', name)) === '1';
  if (exists) await server.cli('RENAME', name, 'kept');
  await (name.endsWith(':seq') ? server.cli('RPUSH', name, 'of another type') : server.cli('SET', name, 'of another type'));
  await act();
  await server.cli('DEL', name);
  if (exists) await server.cli('RENAME', 'kept', name);
}

test.each(['due', 'leases', 'holds', 'journal', 'seq'] as const)(
  'while %s is of another type no call is drawn from a lease, and none is on record',
  async (name) => {
    const { calls, journal } = await open();
    const key = await calls.minted('AAAAAAAA', { budgets: [budget(1000)] });
    // The second call of a kind asks for a lease.
    await calls.admit(key, 10, { lease: terms });
    const before = { usage: await calls.usage(key), records: await recordsOf(journal) };
    await taken(inPartitionOf(key, name), async () => {
      const answers = await Promise.allSettled(Array.from({ length: 6 }, () => calls.admit(key, 10, { lease: terms })));
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 'rejected'));
    });
    expect({ usage: await calls.usage(key), records: await recordsOf(journal) }).toEqual(before);
    expect((await calls.admit(key, 10)).kind).toBe('admitted');
  },
);

test('a lease that cannot be closed, because the place of its calls is taken, is closed later and loses nothing', async () => {
  const subject = await open();
  const { calls, ledger } = subject;
  await calls.funded('acme', 10_000);
  await acquaint(subject, 'acme');
  const key = await calls.minted('AAAAAAAA', { accountId: 'acme', budgets: [budget(1000)] });
  const ids = await admitMany(subject, key, { count: 4, price: 10 });
  await calls.settle(key, ids[1] ?? '', 10);
  await taken(inPartitionOf(key, 'due'), () => subject.giveBack());
  // Closed by the first, captured by the second.
  await ledger.sweep({ now: start + hour });
  await ledger.sweep({ now: start + 2 * hour });
  expect(await calls.usage(key)).toEqual({ 'key:AAAAAAAA budget total': [40, 0], 'account:acme balance': [0, 0] });
});

test('a lease of the largest size is closed while most of its calls run: each is a hold of its own then', async () => {
  const subject = await open();
  const { calls, ledger } = subject;
  const key = await calls.minted('AAAAAAAA', { budgets: [budget(10_000_000)] });
  const lease = { calls: 10_000, ms: 60_000 };
  // More than Lua passes to one command.
  const count = 4500;
  await admitMany(subject, key, { count: 2, price: 10, lease });
  for (let at = 0; at < count; at += 500) await Promise.all(Array.from({ length: 500 }, () => calls.admit(key, 10, { lease })));
  await subject.giveBack();
  expect(await calls.usage(key)).toEqual({ 'key:AAAAAAAA budget total': [0, (count + 2) * 10] });
  expect(await ledger.sweep({ now: start + hour })).toBe(count + 2);
  expect(await calls.usage(key)).toEqual({ 'key:AAAAAAAA budget total': [(count + 2) * 10, 0] });
});
