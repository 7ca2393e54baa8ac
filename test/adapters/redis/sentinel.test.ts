import { expect, onTestFinished, test } from 'vitest';
import { openConnection } from '../../../src/adapters/redis/connect.ts';
import { startSentinel } from '../../support/redis-sentinel.ts';
import { count, rejection, untilDone } from './scripts-for-tests.ts';

const recoveryMsMax = 5000;

async function opened() {
  const sentinel = await startSentinel();
  onTestFinished(() => sentinel.stop());
  const connection = await openConnection(sentinel.url, { commandTimeoutMs: 600 });
  onTestFinished(() => connection.close());
  return { sentinel, connection };
}

test('a failover that an operator asks for: the connection leaves the old master, although it lives and takes writes', async () => {
  const { sentinel, connection } = await opened();
  const own = connection.dedicated();
  onTestFinished(() => own.disconnect());
  await own.ping();
  expect(await connection.run(count, ['kg:{p1}:'], ['x'])).toBe(1);
  // What the replica has not received is lost with its master.
  expect(await sentinel.master.cli('wait', '1', '1000')).toBe('1');
  const made = Promise.withResolvers<void>();
  connection.onLink((change) => change === 'made' && made.resolve());
  await sentinel.failover();
  await made.promise;
  await untilDone(() => connection.run(count, ['kg:{p1}:'], ['x']), recoveryMsMax);
  expect(await sentinel.replica.cli('get', 'kg:{p1}:x')).toBe('2');
  await untilDone(async () => expect(await own.config('GET', 'port')).toEqual(['port', String(sentinel.replica.port)]), recoveryMsMax);
});

test('a master that dies: commands fail in time until the Sentinel has made another one', async () => {
  const { sentinel, connection } = await opened();
  expect(await connection.run(count, ['kg:{p1}:'], ['x'])).toBe(1);
  expect(await sentinel.master.cli('wait', '1', '1000')).toBe('1');
  await sentinel.master.kill();
  const begin = performance.now();
  await rejection(connection.run(count, ['kg:{p1}:'], ['x']));
  expect(performance.now() - begin).toBeLessThan(1100);
  const place = /^Redis at redis\+sentinel:\/\/127\.0\.0\.1:\d+\/ledger is not connected/;
  await untilDone(async () => expect(connection.trouble()).toMatch(place), recoveryMsMax);
  await sentinel.switched();
  expect(await untilDone(() => connection.run(count, ['kg:{p1}:'], ['x']), recoveryMsMax)).toBeLessThan(recoveryMsMax);
  expect(await sentinel.replica.cli('get', 'kg:{p1}:x')).toBe('2');
});

test('a Sentinel that nobody can reach, or that knows no such master, is said when opening', async () => {
  const { sentinel } = await opened();
  expect(await rejection(openConnection(sentinel.url.replace('/ledger', '/other'), { openMsMax: 300 }))).toMatch(
    /cannot be used after 300 ms/,
  );
  await sentinel.stop();
  expect(await rejection(openConnection(sentinel.url, { openMsMax: 300 }))).toMatch(/All sentinels are unreachable/);
});
