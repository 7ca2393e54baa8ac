import { createHash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { openConnection } from '../../../src/adapters/redis/connect.ts';
import type { Connection } from '../../../src/adapters/redis/connection.ts';
import { elsewhere } from '../../../src/adapters/redis/layout.ts';
import { createReplays } from '../../../src/adapters/redis/replays.ts';
import { createWriteNames } from '../../../src/adapters/redis/write-names.ts';
import type { Replays } from '../../../src/ports/replays.ts';
import { day, start } from '../../ports/subject.ts';
import { startRedis, type TestRedis } from '../../support/redis-server.ts';
import { resending } from './life.ts';

let server: TestRedis;
let connection: Connection;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(async () => {
  await server.cli('FLUSHALL');
  connection = await openConnection(server.url);
});
afterEach(() => connection.close());

const replaysOf = (life: string, over = connection): Replays => createReplays({ connection: over, nextName: createWriteNames(life) });
const attempt = { id: 'one', bodyHash: 'body', now: start };
const answer = { id: 'one', status: 201, body: '{"text":"\u0000 ü \\u0000 \\"}"}', now: start };

test('an attempt is one for all replicas', async () => {
  const many = Array.from({ length: 4 }, (_, n) => replaysOf(`life ${n}`));
  const kinds = (await Promise.all([...many, ...many].map((replays) => replays.begin(attempt)))).map(({ kind }) => kind);
  expect(kinds.sort()).toEqual(['new', ...Array(7).fill('running')]);
  await many[1]?.finish(answer);
  expect(await many[2]?.begin(attempt)).toEqual({ kind: 'answered', status: 201, body: answer.body });
});

test('what is sent twice is as if it were sent once', async () => {
  const replays = replaysOf('life', resending(connection));
  expect(await replays.begin(attempt)).toEqual({ kind: 'new' });
  expect(await replays.begin(attempt)).toEqual({ kind: 'running' });
  await replays.forget('one');
  expect(await replays.begin({ ...attempt, bodyHash: 'other' })).toEqual({ kind: 'new' });
  await replays.finish(answer);
  expect(await replays.begin({ ...attempt, bodyHash: 'other' })).toMatchObject({ kind: 'answered' });
});

test('attempts go by themselves a day after they were begun or answered, by the server’s own clock', async () => {
  const name = elsewhere.replay(createHash('sha256').update('one').digest('hex'));
  const replays = replaysOf('life');
  const leftMs = () => connection.client.pttl(name);
  // Clocks of callers say nothing about the server's.
  await replays.begin({ ...attempt, now: 5 });
  expect(await leftMs()).toBeGreaterThan(day);
  expect(await leftMs()).toBeLessThan(day + 120_000);
  await connection.client.pexpire(name, 5000);
  await replays.finish({ ...answer, now: 6 });
  expect(await leftMs()).toBeGreaterThan(day);
  await connection.client.pexpire(name, 5000);
  await replays.begin({ ...attempt, now: 6 + day });
  expect(await leftMs()).toBeGreaterThan(day);
});

test.each([Number.NaN, Number.POSITIVE_INFINITY, 0.5, 2 ** 53])('%s is no time', async (now) => {
  const replays = replaysOf('life');
  await expect(replays.begin({ ...attempt, now })).rejects.toThrow('time');
  await replays.begin(attempt);
  await expect(replays.finish({ ...answer, now })).rejects.toThrow('time');
  expect(await replays.begin(attempt)).toEqual({ kind: 'running' });
});

test('nothing begins where the store does not answer', async () => {
  await server.kill();
  await expect(replaysOf('life').begin(attempt)).rejects.toThrow();
  await server.restart();
});
