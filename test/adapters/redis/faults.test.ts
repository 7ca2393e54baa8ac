import { expect, onTestFinished, test } from 'vitest';
import { openConnection } from '../../../src/adapters/redis/connect.ts';
import { type RedisOptions, startRedis } from '../../support/redis-server.ts';
import { openWay } from './black-hole.ts';
import { count, countOnce, rejection, untilDone } from './scripts-for-tests.ts';

const commandTimeoutMs = 600;
const slackMs = 500;
const recoveryMsMax = 5000;

async function opened(options: RedisOptions = {}) {
  const redis = await startRedis(options);
  onTestFinished(() => redis.stop());
  const connection = await openConnection(redis.url, { commandTimeoutMs });
  onTestFinished(() => connection.close());
  const add = (id: string) => connection.run(countOnce, ['kg:{p1}:'], [id]);
  return { redis, connection, add };
}

/** Runs acts side by side, one after another in each lane, until told to stop. */
function keepDoing(lanes: number, act: (at: number) => Promise<unknown>) {
  let running = true;
  let at = 0;
  const done: number[] = [];
  const failed = new Map<string, number>();
  let msMax = 0;
  const lane = async () => {
    while (running) {
      const own = at++;
      const begin = performance.now();
      try {
        await act(own);
        done.push(own);
      } catch (error) {
        const message = String(error);
        failed.set(message, (failed.get(message) ?? 0) + 1);
        // A rejection without the network would spin.
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      msMax = Math.max(msMax, performance.now() - begin);
    }
  };
  const all = Promise.all(Array.from({ length: lanes }, lane));
  return {
    done,
    failed,
    stop: async () => {
      running = false;
      await all;
      return { done, failed, msMax, attempts: at };
    },
  };
}

async function moreThan(list: readonly unknown[], length: number): Promise<void> {
  while (list.length <= length) await new Promise((resolve) => setTimeout(resolve, 2));
}

test('killed and started again: what was in flight is rejected, nothing acknowledged is lost, and nothing is applied twice', async () => {
  const { redis, connection, add } = await opened({ appendonly: 'always' });
  const load = keepDoing(8, (at) => add(String(at)));
  await moreThan(load.done, 200);
  await redis.kill();
  const begin = performance.now();
  const refused = await rejection(add('while down'));
  expect(performance.now() - begin).toBeLessThan(100);
  expect(refused).toMatch(/writeable|max retries/);
  const place = /^Redis at redis:\/\/127\.0\.0\.1:\d+ is not connected/;
  await untilDone(async () => expect(connection.trouble()).toMatch(place), recoveryMsMax);
  await redis.restart();
  expect(await untilDone(() => add('back'), recoveryMsMax)).toBeLessThan(recoveryMsMax);
  expect(connection.trouble()).toBeUndefined();
  await moreThan(load.done, load.done.length + 200);
  const { done, attempts } = await load.stop();
  const counted = Number(await redis.cli('get', 'kg:{p1}:count'));
  expect(Number(await redis.cli('scard', 'kg:{p1}:seen'))).toBe(counted);
  const kept = await connection.client.smismember('kg:{p1}:seen', ...done.map(String));
  expect(kept.every((member) => member === 1)).toBe(true);
  expect(counted).toBeLessThanOrEqual(attempts + 2);
});

test('a plain count is never sent a second time when the connection breaks', async () => {
  const { redis, connection } = await opened();
  const load = keepDoing(8, () => connection.run(count, ['kg:{p1}:'], ['plain']));
  for (let time = 1; time <= 5; time += 1) {
    await moreThan(load.done, load.done.length + 100);
    await redis.cli('client', 'kill', 'type', 'normal', 'skipme', 'yes');
  }
  const { done, attempts, failed } = await load.stop();
  const counted = Number(await redis.cli('get', 'kg:{p1}:plain'));
  expect(failed.size).toBeGreaterThan(0);
  expect(counted).toBeGreaterThanOrEqual(done.length);
  expect(counted).toBeLessThanOrEqual(attempts);
});

test('frozen: every command is rejected in time, trouble is told, and it recovers by itself', async () => {
  const { redis, connection, add } = await opened();
  await add('before');
  redis.pause();
  onTestFinished(() => redis.resume());
  const load = keepDoing(4, (at) => add(String(at)));
  // Long enough for the socket to be given up and made anew against a server that still does not answer.
  const tells = await untilDone(async () => {
    if (connection.trouble() === undefined) throw new Error('no trouble');
  }, 10_000);
  expect(tells).toBeLessThan(1000 + commandTimeoutMs + slackMs);
  await new Promise((resolve) => setTimeout(resolve, 2 * commandTimeoutMs));
  const { done, msMax } = await load.stop();
  expect(done).toEqual([]);
  expect(msMax).toBeLessThan(commandTimeoutMs + slackMs);
  redis.resume();
  expect(await untilDone(() => add('after'), recoveryMsMax)).toBeLessThan(recoveryMsMax);
  await untilDone(async () => expect(connection.trouble()).toBeUndefined(), recoveryMsMax);
  expect(await redis.cli('get', 'kg:{p1}:count')).toBe(await redis.cli('scard', 'kg:{p1}:seen'));
});

test('a connection that leads nowhere any more is given up, although nobody is told that it broke', async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
  const way = await openWay(redis.port);
  onTestFinished(way.close);
  const connection = await openConnection(`redis://127.0.0.1:${way.port}`, { commandTimeoutMs });
  onTestFinished(() => connection.close());
  await connection.run(count, ['kg:{p1}:'], ['way']);
  way.swallow();
  const begin = performance.now();
  expect(await rejection(connection.run(count, ['kg:{p1}:'], ['way']))).toMatch(/timed out/);
  expect(performance.now() - begin).toBeLessThan(commandTimeoutMs + slackMs);
  expect(await untilDone(() => connection.run(count, ['kg:{p1}:'], ['way']), recoveryMsMax)).toBeLessThan(recoveryMsMax);
});

test('CLIENT PAUSE is a frozen server that ends by itself', async () => {
  const { redis, add } = await opened();
  await redis.cli('client', 'pause', '1200', 'ALL');
  const begin = performance.now();
  expect(await rejection(add('paused'))).toMatch(/timed out/);
  expect(performance.now() - begin).toBeLessThan(commandTimeoutMs + slackMs);
  expect(await untilDone(() => add('after'), recoveryMsMax)).toBeLessThan(recoveryMsMax);
});

test('A46: SCRIPT FLUSH in the middle is not noticed', async () => {
  const { redis, connection } = await opened();
  const load = keepDoing(8, () => connection.run(count, ['kg:{p1}:'], ['flush']));
  for (let time = 1; time <= 5; time += 1) {
    await moreThan(load.done, load.done.length + 50);
    await redis.cli('script', 'flush');
  }
  const { done, failed } = await load.stop();
  expect([...failed]).toEqual([]);
  expect(Number(await redis.cli('get', 'kg:{p1}:flush'))).toBe(done.length);
});

test('A45: out of memory is a rejection, and what is there stays readable', async () => {
  const { redis, connection, add } = await opened();
  await add('before');
  await redis.cli('config', 'set', 'maxmemory', '1');
  expect(await rejection(add('full'))).toMatch(/OOM/);
  expect(await connection.client.get('kg:{p1}:count')).toBe('1');
  await redis.cli('config', 'set', 'maxmemory', '0');
  await add('after');
  expect(await redis.cli('get', 'kg:{p1}:count')).toBe('2');
});

test('A47: a name that is taken by another type is a rejection', async () => {
  const { redis, add } = await opened();
  await redis.cli('lpush', 'kg:{p1}:seen', 'x');
  expect(await rejection(add('1'))).toMatch(/WRONGTYPE/);
  expect(await redis.cli('exists', 'kg:{p1}:count')).toBe('0');
});

test('A43: a script that does not end makes commands fail in time, until it is killed', async () => {
  const { redis, connection, add } = await opened({ args: ['--busy-reply-threshold', '100'] });
  await add('before');
  const endless = redis.cli('eval', 'while true do end', '0').catch(() => undefined);
  await untilDone(async () => expect(await redis.cli('ping').catch(String)).toMatch(/BUSY/), recoveryMsMax);
  expect(await rejection(add('busy'))).toMatch(/BUSY/);
  await redis.cli('script', 'kill');
  await endless;
  expect(await untilDone(() => add('after'), recoveryMsMax)).toBeLessThan(recoveryMsMax);
  expect(connection.trouble()).toBeUndefined();
});

test('A43: a server that is a replica now is left for whoever the name leads to', async () => {
  const { redis, connection, add } = await opened();
  await add('before');
  const made = Promise.withResolvers<void>();
  connection.onLink((change) => change === 'made' && made.resolve());
  // Of nothing: it takes no writes all the same.
  await redis.cli('replicaof', '127.0.0.1', '1');
  expect(await rejection(add('replica'))).toMatch(/READONLY/);
  await made.promise;
  await redis.cli('replicaof', 'no', 'one');
  await untilDone(() => add('after'), recoveryMsMax);
});

test('a dedicated connection comes back by itself, and its commands wait for it within their time', async () => {
  const { redis, connection } = await opened();
  const own = connection.dedicated();
  onTestFinished(() => own.disconnect());
  expect(await own.xread('BLOCK', 50, 'STREAMS', 'kg:{feed}:changes', '$')).toBeNull();
  // Looked at from the beginning: it may be rejected before it is known that the server has ended.
  const blocked = rejection(own.xread('BLOCK', 1000, 'STREAMS', 'kg:{feed}:changes', '$'));
  await redis.kill();
  expect(await blocked).toMatch(/max retries|closed/);
  await redis.restart();
  const took = await untilDone(() => own.xread('BLOCK', 50, 'STREAMS', 'kg:{feed}:changes', '$'), recoveryMsMax);
  expect(took).toBeLessThan(recoveryMsMax);
});
