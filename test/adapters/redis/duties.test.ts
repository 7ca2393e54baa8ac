import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { openConnection } from '../../../src/adapters/redis/connect.ts';
import type { Connection } from '../../../src/adapters/redis/connection.ts';
import { createDuties } from '../../../src/adapters/redis/duties.ts';
import { elsewhere } from '../../../src/adapters/redis/layout.ts';
import { checkSchema, keepFingerprint } from '../../../src/adapters/redis/meta.ts';
import { startRedis, type TestRedis } from '../../support/redis-server.ts';
import { resending } from './life.ts';

const minute = 60_000;

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

test('one process of many holds a duty, until it lets go; others cannot let go for it', async () => {
  const many = Array.from({ length: 8 }, (_, n) => createDuties({ connection, instance: `life ${n}` }));
  const held = await Promise.all(many.map((duties) => duties.hold('seal', minute)));
  expect(held.filter(Boolean)).toHaveLength(1);
  const holder = held.indexOf(true);
  for (const [n, duties] of many.entries()) {
    if (n === holder) continue;
    await duties.release('seal');
    expect(await duties.hold('seal', minute)).toBe(false);
  }
  await many[holder]?.release('seal');
  expect(await many[(holder + 1) % 8]?.hold('seal', minute)).toBe(true);
  expect(await many[holder]?.hold('seal', minute)).toBe(false);
});

test('a duty whose holder is gone is taken over when its time has passed, and one that is kept is not', async () => {
  const [one, two] = ['one', 'two'].map((instance) => createDuties({ connection, instance }));
  expect(await one?.hold('seal', 30)).toBe(true);
  expect(await one?.hold('seal', minute)).toBe(true);
  expect(await one?.hold('export', 30)).toBe(true);
  await expect.poll(() => two?.hold('export', minute), { timeout: 5000, interval: 5 }).toBe(true);
  expect(await two?.hold('seal', minute)).toBe(false);
  expect(await one?.hold('export', minute)).toBe(false);
});

test.each([0, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY])('a duty cannot be held for %s ms', async (ms) => {
  await expect(createDuties({ connection, instance: 'one' }).hold('seal', ms)).rejects.toThrow('milliseconds');
  expect(await createDuties({ connection, instance: 'two' }).hold('seal', minute)).toBe(true);
});

test('what is sent twice is as if it were sent once', async () => {
  const one = createDuties({ connection: resending(connection), instance: 'one' });
  expect(await one.hold('seal', minute)).toBe(true);
  await one.advance('seal', 5);
  await one.advance('seal', 5);
  expect(await one.progress('seal')).toBe(5);
  await one.release('seal');
  expect(await createDuties({ connection, instance: 'two' }).hold('seal', minute)).toBe(true);
});

test('positions are exact up to 2^53', async () => {
  const one = createDuties({ connection, instance: 'one' });
  await one.advance('seal', 2 ** 53 - 2);
  await one.advance('seal', 2 ** 53 - 1);
  expect(await one.progress('seal')).toBe(2 ** 53 - 1);
  await one.advance('seal', 2 ** 53 - 2);
  expect(await one.progress('seal')).toBe(2 ** 53 - 1);
});

test('a fingerprint that differs is refused, whoever comes first', async () => {
  const results = await Promise.allSettled(['aaaa', 'bbbb', 'cccc'].map((value) => keepFingerprint(connection, 'pepper', value)));
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  await keepFingerprint(connection, 'seal', 'bbbb');
  await keepFingerprint(connection, 'seal', 'bbbb');
  await expect(keepFingerprint(connection, 'seal', 'aaaa')).rejects.toThrow(
    'The seal configured is not the one that this store was made with.',
  );
});

test('a store of another schema, or with another number of partitions, is refused', async () => {
  await checkSchema(connection);
  await checkSchema(connection);
  await connection.client.hset(elsewhere.meta, 'partitions', '512');
  await expect(checkSchema(connection)).rejects.toThrow('The store has 512 partitions; this build has 256.');
  await connection.client.hset(elsewhere.meta, 'schema', '1');
  await expect(checkSchema(connection)).rejects.toThrow('schema version 1');
});
