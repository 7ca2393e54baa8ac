import { mkdir, rm } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { formatMicros } from '../../src/domain/money.ts';
import { type RecordingUpstream, startRecordingUpstream } from '../support/recording-upstream.ts';
import { startRedis, type TestRedis, until } from '../support/redis-server.ts';
import { compareSums, toolsSeen } from '../support/replica-sums.ts';
import { type MintedKey, type Replica, type Replicas, startReplicas } from '../support/replicas.ts';

const priceMicros = 10_001;
const credited = '1000';
/** Unaided, once Redis takes writes again (A41). */
const recoveryMsMax = 5_000;
/** One command, and what a busy machine adds. */
const refusalMsMax = 3_000;
const callsMade = 20;

const closers: (() => Promise<void>)[] = [];
let redis: TestRedis;
let upstream: RecordingUpstream;
let replicas: Replicas;
let payer: MintedKey;
let named = 0;
beforeAll(async () => {
  // Loading takes a moment for each command in the file, so that there is a while in which the server is loading.
  redis = await startRedis({ appendonly: 'always', args: ['--busy-reply-threshold', '100', '--key-load-delay', '400'] });
  closers.push(() => redis.stop());
  upstream = await startRecordingUpstream({ sessions: false });
  closers.push(() => upstream.close());
  replicas = await startReplicas({
    ...{ store: redis.url, upstreamUrl: upstream.url, price: formatMicros(priceMicros), count: 1 },
    config: { limits: { holdMsMax: 2_000, upstreamTimeoutMs: 1_000 }, redis: { commandTimeoutMs: 1_000 } },
  });
  closers.push(() => replicas.remove());
  await replicas.fund('payer', credited);
  payer = await replicas.mint({ accountId: 'payer', budgets: [{ amount: credited, per: 'total' }] });
});
afterAll(async () => {
  for (const close of closers.reverse()) await close();
});
/** Of the test that runs: ended even where the test fails. */
const ending: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});

describe('A43: a Redis that is there and takes no writes: 503, nothing is sent, nothing is charged twice, and it goes on by itself', () => {
  it('READONLY: it was made a replica', async () => {
    await redis.cli('replicaof', '127.0.0.1', '1');
    ending.push(() => redis.cli('replicaof', 'no', 'one'));
    expect(await write()).toMatch(/READONLY/);
    await refused();
    await over();
  });

  it('MASTERDOWN: a replica that has lost its master, and does not serve what it has', async () => {
    await redis.cli('config', 'set', 'replica-serve-stale-data', 'no');
    ending.push(() => redis.cli('config', 'set', 'replica-serve-stale-data', 'yes'));
    await redis.cli('replicaof', '127.0.0.1', '1');
    ending.push(() => redis.cli('replicaof', 'no', 'one'));
    expect(await redis.cli('get', 'any').catch(String)).toMatch(/MASTERDOWN/);
    await refused();
    await over();
  });

  it('NOREPLICAS: too few replicas follow it', async () => {
    await redis.cli('config', 'set', 'min-replicas-to-write', '1');
    ending.push(() => redis.cli('config', 'set', 'min-replicas-to-write', '0'));
    expect(await write()).toMatch(/NOREPLICAS/);
    await refused();
    await over();
  });

  it('MISCONF: its last snapshot could not be written', async () => {
    await redis.cli('config', 'set', 'save', '3600 1');
    ending.push(() => redis.cli('config', 'set', 'save', ''));
    // The name is taken by a folder, so the snapshot cannot be put in place.
    await mkdir(`${redis.folder}/dump.rdb/x`, { recursive: true });
    await redis.cli('bgsave');
    const status = async () => /rdb_last_bgsave_status:(\w+)/.exec(await redis.cli('info', 'persistence'))?.[1];
    await until(async () => (await status()) === 'err', 'the snapshot has failed');
    ending.push(async () => {
      await rm(`${redis.folder}/dump.rdb`, { recursive: true, force: true });
      await redis.cli('bgsave');
      await until(async () => (await status()) === 'ok', 'a snapshot is written');
    });
    expect(await write()).toMatch(/MISCONF/);
    await refused();
    await over();
  });

  it('BUSY: a script of somebody else’s does not end', async () => {
    const endless = redis.cli('eval', 'while true do end', '0').catch(() => undefined);
    ending.push(async () => {
      await redis.cli('script', 'kill');
      await endless;
    });
    await until(async () => /BUSY/.test(await redis.cli('ping').catch(String)), 'the server is busy');
    await refused();
    await over();
  });

  it('LOADING: it was killed, and reads its files', async () => {
    await call(callsMade);
    const restarting = redis.restart();
    ending.push(() => restarting);
    await until(async () => /LOADING/.test(await redis.cli('get', 'any').catch(String)), 'the server is loading');
    await refused();
    expect(await redis.cli('get', 'any').catch(String), 'it was not loading the whole time').toMatch(/LOADING/);
    await restarting;
    await over();
  });

  it('after all of it every sum agrees to the micro-unit', async () => {
    const sums = await compareSums(replicas, { upstream, priceMicros, accounts: new Map([['payer', credited]]), keyIds: [payer.id] });
    expect(sums.wrong).toEqual([]);
    expect(sums.unsent).toEqual([]);
  });
});

const write = () => redis.cli('set', 'any', 'text').catch(String);

async function call(count: number) {
  const [replica] = replicas.all;
  if (!replica) throw new Error('there is no replica');
  return Promise.all(
    Array.from({ length: count }, () => {
      named += 1;
      return replica.call(payer.key, `tool_${named}`);
    }),
  );
}

/** Calls are refused in time, the upstream sees none of them, and the gateway says that it is not ready. */
async function refused(): Promise<void> {
  const calls = await call(callsMade);
  expect(new Set(calls.map(({ status, result }) => `${status} ${result}`))).toEqual(new Set(['503 STORE_UNAVAILABLE']));
  expect(Math.max(...calls.map(({ ms }) => ms))).toBeLessThan(refusalMsMax);
  const seen = new Set(toolsSeen(upstream));
  expect(calls.filter(({ tool }) => seen.has(tool))).toEqual([]);
}

/** Ends what is wrong, and with it the trouble. */
async function over(): Promise<void> {
  for (const end of ending.splice(0).reverse()) await end();
  const began = performance.now();
  const [replica] = replicas.all;
  const serves = async ({ adminUrl }: Replica) =>
    (await fetch(`${adminUrl}/readyz`)).status === 200 && (await call(1))[0]?.result === 'passed';
  await until(async () => replica !== undefined && (await serves(replica)), 'the gateway serves again');
  expect(performance.now() - began).toBeLessThan(recoveryMsMax);
}
