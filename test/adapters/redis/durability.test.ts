import type { Redis } from 'ioredis';
import { describe, expect, onTestFinished, test } from 'vitest';
import { askDisk, askReplicas, shareQuestions } from '../../../src/adapters/redis/acknowledge.ts';
import { connectDurably } from '../../../src/adapters/redis/durability.ts';
import type { Durability } from '../../../src/adapters/redis/fitness.ts';
import { startPair } from '../../support/redis-sentinel.ts';
import { startRedis } from '../../support/redis-server.ts';
import { count, rejection, untilDone } from './scripts-for-tests.ts';

const recoveryMsMax = 5000;

async function opened(url: string, durability: Durability) {
  const said: string[] = [];
  const log = {
    warn: (message: string) => void said.push(message),
    fault: (message: string, error: unknown) => void said.push(`${message}: ${String(error)}`),
  };
  const connection = await connectDurably(url, { durability, now: Date.now, log, commandTimeoutMs: 1000 });
  onTestFinished(() => connection.close());
  return { connection, said, add: () => connection.run(count, ['kg:{p1}:'], ['x']) };
}

describe('replicated', () => {
  const durability: Durability = { mode: 'replicated', replicas: 1 };

  test('a commit that is answered is on the replica', async () => {
    const { master, replica, stop } = await startPair();
    onTestFinished(stop);
    const { add, connection } = await opened(master.url, durability);
    for (let at = 1; at <= 20; at += 1) {
      expect(await add()).toBe(at);
      expect(await replica.cli('get', 'kg:{p1}:x')).toBe(String(at));
    }
    const many = await Promise.all(Array.from({ length: 200 }, () => add()));
    expect(many).toHaveLength(200);
    const waits = Number(/cmdstat_wait:calls=(\d+)/.exec(await master.cli('info', 'commandstats'))?.[1]);
    // One for each of the first twenty; then they are shared.
    expect(waits).toBeGreaterThanOrEqual(20);
    expect(waits).toBeLessThan(60);
    expect(connection.trouble()).toBeUndefined();
  });

  test('a replica that does not answer makes commits fail in time, and no replica at all does so too', async () => {
    const { master, replica, stop } = await startPair();
    onTestFinished(stop);
    const { add } = await opened(master.url, durability);
    await add();
    replica.pause();
    const begin = performance.now();
    expect(await rejection(add())).toMatch(/did not hear from 1 replicas within 500 ms, but from 0/);
    expect(performance.now() - begin).toBeLessThan(1500);
    replica.resume();
    await untilDone(add, recoveryMsMax);
    await replica.kill();
    expect(await rejection(add())).toMatch(/did not hear from 1 replicas/);
    const { said } = await opened(master.url, durability);
    expect(said).toEqual([expect.stringMatching(/has 0 of the 1 replicas/)]);
  });

  test('a commit whose connection broke before the replicas were asked is not answered', async () => {
    const { master, replica, stop } = await startPair();
    onTestFinished(stop);
    const { add, connection } = await opened(master.url, durability);
    await add();
    replica.pause();
    onTestFinished(() => replica.resume());
    const doubtful = rejection(add());
    await untilDone(async () => expect(await master.cli('client', 'list')).toMatch(/cmd=wait/), recoveryMsMax);
    const made = Promise.withResolvers<void>();
    connection.onLink((change) => change === 'made' && made.resolve());
    await master.cli('client', 'kill', 'type', 'normal', 'skipme', 'yes');
    expect(await doubtful).toMatch(/max retries|closed|lost/i);
    await made.promise;
  });
});

describe('fsync', () => {
  const durability: Durability = { mode: 'fsync', replicas: 1 };

  test('is refused where the server does less, and what is answered survives a kill', async () => {
    const lax = await startRedis({ appendonly: 'everysec' });
    onTestFinished(() => lax.stop());
    expect(await rejection(opened(lax.url, durability))).toMatch(/has appendfsync everysec, but redis.durability is fsync/);
    const clients = (await lax.cli('client', 'list')).split('\n').filter((line) => line.includes('name=keygate'));
    expect(clients).toEqual([]);

    const redis = await startRedis({ appendonly: 'always' });
    onTestFinished(() => redis.stop());
    const { add } = await opened(redis.url, durability);
    const answers = await Promise.all(Array.from({ length: 50 }, () => add()));
    await redis.kill();
    await redis.restart();
    expect(Number(await redis.cli('get', 'kg:{p1}:x'))).toBe(Math.max(...answers.map(Number)));
  });

  test('is judged again after each new connection: what does less now is not used until it is put right', async () => {
    const redis = await startRedis({ appendonly: 'always' });
    onTestFinished(() => redis.stop());
    const { add, connection, said } = await opened(redis.url, durability);
    await add();
    await redis.cli('config', 'set', 'appendfsync', 'everysec');
    await add();
    const made = Promise.withResolvers<void>();
    connection.onLink((change) => change === 'made' && made.resolve());
    await redis.cli('client', 'kill', 'type', 'normal', 'skipme', 'yes');
    await made.promise;
    expect(await rejection(add())).toMatch(/may not be used: Redis at .* has appendfsync everysec/);
    expect(connection.trouble()).toMatch(/appendfsync everysec/);
    expect(said).toEqual([expect.stringMatching(/may not be used any more.*appendfsync everysec/)]);
    expect(await redis.cli('get', 'kg:{p1}:x')).toBe('2');
    await redis.cli('config', 'set', 'appendfsync', 'always');
    expect(await untilDone(add, recoveryMsMax)).toBeLessThan(recoveryMsMax);
    expect(connection.trouble()).toBeUndefined();
  });

  test('A45: a server that was started again without its limits is not used', async () => {
    const redis = await startRedis({ appendonly: 'always' });
    onTestFinished(() => redis.stop());
    const { add, connection } = await opened(redis.url, durability);
    await add();
    await redis.kill();
    const other = await startRedis({ port: redis.port, args: ['--maxmemory', '100mb', '--maxmemory-policy', 'allkeys-lru'] });
    onTestFinished(() => other.stop());
    await untilDone(async () => expect(connection.trouble()).toMatch(/allkeys-lru/), recoveryMsMax);
    expect(await rejection(add())).toMatch(/allkeys-lru.*\n.*appendonly no/);
    expect(await other.cli('dbsize')).toBe('0');
  });
});

test('server: nothing is asked after a commit', async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
  const { add, said } = await opened(redis.url, { mode: 'server', replicas: 1 });
  expect(await add()).toBe(1);
  expect(await redis.cli('info', 'commandstats')).not.toMatch(/cmdstat_wait/);
  expect(said).toEqual([expect.stringMatching(/has appendonly no/)]);
});

describe('questions to a node', () => {
  const node = {} as Redis;

  test('are shared, and each is asked after everyone who gets its answer', async () => {
    const asked: PromiseWithResolvers<void>[] = [];
    const ask = shareQuestions(() => {
      const question = Promise.withResolvers<void>();
      asked.push(question);
      return question.promise;
    });
    const answered: string[] = [];
    const come = (name: string) =>
      ask(node, 'k').then(
        () => answered.push(name),
        () => answered.push(`not ${name}`),
      );
    const all = [come('a'), come('b')];
    await new Promise(setImmediate);
    expect(asked).toHaveLength(1);
    all.push(come('c'), come('d'));
    await new Promise(setImmediate);
    expect(asked).toHaveLength(1);
    asked[0]?.reject(new Error('no'));
    await new Promise(setImmediate);
    // The first question says nothing about who came after it.
    expect(answered).toEqual(['not a', 'not b']);
    expect(asked).toHaveLength(2);
    asked[1]?.resolve();
    await Promise.all(all);
    expect(answered).toEqual(['not a', 'not b', 'c', 'd']);
  });

  test.each([
    [[1, 0], undefined],
    [[0, 3], /did not write to disk within 7 ms/],
    [['x', 0], /did not write to disk/],
    [null, /did not write to disk/],
  ])('the disk answers %j', async (answer, why) => {
    const sent: unknown[][] = [];
    const standIn = {
      set: async (...args: unknown[]) => void sent.push(['SET', ...args]),
      call: async (...args: unknown[]) => {
        sent.push(args);
        return answer;
      },
    } as unknown as Redis;
    const done = askDisk({ waitMs: 7 })(standIn, 'kg:{p9}:');
    if (why === undefined) await done;
    else expect(await rejection(done)).toMatch(why);
    // The write comes first, so that the question is about everything before it.
    expect(sent).toEqual([
      ['SET', 'kg:{p9}:mark', '', 'PX', 60_000],
      ['WAITAOF', '1', '0', '7'],
    ]);
  });

  test('an answer that is no number is not enough replicas', async () => {
    const standIn = { set: async () => 'OK', wait: async () => Number.NaN } as unknown as Redis;
    expect(await rejection(askReplicas({ replicas: 1, waitMs: 5 })(standIn, 'kg:{p9}:'))).toMatch(/did not hear from 1 replicas/);
  });
});
