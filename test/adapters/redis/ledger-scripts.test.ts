import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openConnection } from '../../../src/adapters/redis/connect.ts';
import type { Connection } from '../../../src/adapters/redis/connection.ts';
import { scriptOf } from '../../../src/adapters/redis/scripts.ts';
import { addedTo, type CounterBook } from '../../../src/domain/counters.ts';
import { thresholdReached } from '../../../src/domain/taking.ts';
import { startRedis, type TestRedis } from '../../support/redis-server.ts';

let server: TestRedis;
let connection: Connection;
beforeAll(async () => {
  server = await startRedis();
  connection = await openConnection(server.url);
});
afterAll(async () => {
  await connection.close();
  await server.stop();
});

const seed = 20_260_715;
const folder = new URL('../../../src/adapters/redis/lua/', import.meta.url);
const ledgerSource = readFileSync(new URL('ledger.lua', folder), 'utf8');
const run = (body: string, thresholds: readonly number[], args: readonly unknown[]) =>
  connection.run(scriptOf('test', `${ledgerSource}\n${body}`), ['kg:{p0}:'], [JSON.stringify(thresholds), ...args.map(String)]);

const amount = fc.oneof(
  fc.nat(300),
  fc.maxSafeNat(),
  fc.integer({ min: 0, max: 1000 }).map((less) => Number.MAX_SAFE_INTEGER - less),
  fc.integer({ min: 0, max: 1000 }).map((less) => 1e15 - less),
);

test('thresholds are compared as exactly as in whole numbers of any size', async () => {
  const thresholds = fc
    .uniqueArray(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 5 })
    .map((all) => all.sort((a, b) => a - b));
  const near = fc.record({ limit: amount, threshold: fc.integer({ min: 1, max: 100 }), off: fc.integer({ min: -1, max: 1 }) });
  const pair = fc.oneof(
    fc.record({ spent: amount, limit: amount }),
    near.map(({ limit, threshold, off }) => ({ limit, spent: Math.max(0, Number((BigInt(limit) * BigInt(threshold)) / 100n) + off) })),
  );
  await fc.assert(
    fc.asyncProperty(thresholds, fc.array(pair, { minLength: 20, maxLength: 20 }), async (percentages, pairs) => {
      const body =
        'local all = {} for at = 2, #ARGV, 2 do all[#all + 1] = reached(tonumber(ARGV[at]), tonumber(ARGV[at + 1])) end return all';
      const answers = await run(
        body,
        percentages,
        pairs.flatMap(({ spent, limit }) => [spent, limit]),
      );
      expect(answers).toEqual(pairs.map((each) => thresholdReached({ ...each, thresholds: percentages })));
    }),
    { numRuns: 60, seed },
  );
});

test('whole numbers are written in full, and read again as they were', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(amount, { minLength: 20, maxLength: 20 }), async (amounts) => {
      const body =
        'local all = {} for at = 2, #ARGV do all[#all + 1] = whole(cjson.decode("[" .. whole(tonumber(ARGV[at])) .. "]")[1]) end return all';
      expect(await run(body, [], amounts)).toEqual(amounts.map(String));
    }),
    { numRuns: 30, seed },
  );
});

test('windows are counted, kept and dropped as the rules say, in any order', async () => {
  const change = fc.record({ start: fc.nat(6), spent: fc.nat(5), held: fc.integer({ min: -3, max: 5 }) });
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 25 }), async (changes) => {
      await connection.client.flushall();
      let book: CounterBook = {};
      for (const { start, spent, held } of changes) {
        const before = book['c|"']?.find((window) => window.start === start)?.held ?? 0;
        const least = Math.max(held, -before);
        book = addedTo(book, 'c|"', start, { spent, held: least });
        const taking = JSON.stringify(['KEY', 'c|"', start, 0, 1, 'by-charge']);
        await run(
          `local taking = cjson.decode(ARGV[2]) load({ taking }) add(taking, ${spent}, ${least}, 0) commit() return 1`,
          [],
          [taking],
        );
        const stored = JSON.parse((await connection.client.hget('kg:{p0}:count:KEY', 'c|"')) ?? '[]') as number[];
        const windows = Array.from({ length: stored.length / 4 }, (_, at) => stored.slice(at * 4, at * 4 + 3));
        expect(windows).toEqual(book['c|"']?.map((window) => [window.start, window.spent, window.held]));
      }
    }),
    { numRuns: 40, seed },
  );
});

test('many changes in one script are written as one after the other would be', async () => {
  await connection.client.flushall();
  const takings = Array.from({ length: 1500 }, (_, at) => ['KEY', `counter ${at}`, 0, 0, 1, 'by-charge']);
  const body =
    'local takings = cjson.decode(ARGV[2]) load(takings) for at, taking in ipairs(takings) do add(taking, at, 0, 0) end commit() return 1';
  await run(body, [], [JSON.stringify(takings)]);
  const stored = await connection.client.hgetall('kg:{p0}:count:KEY');
  expect(Object.keys(stored)).toHaveLength(1500);
  expect(stored['counter 1499']).toBe('[0,1500,0,0]');
});

test('a script that fails has written nothing', async () => {
  await connection.client.flushall();
  const body = `journal(1, 'facts') hold('r1', 'life', 'intent', 1) local taking = { 'KEY', 'c', 0, 0, 1, 'by-charge' }
load({ taking }) add(taking, 1, 1, 0) error('damaged')`;
  await expect(run(body, [], [])).rejects.toThrow('damaged');
  expect(await connection.client.dbsize()).toBe(0);
});
