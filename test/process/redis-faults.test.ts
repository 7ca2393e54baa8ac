import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { partitionOf, prefixOf } from '../../src/adapters/redis/layout.ts';
import { formatMicros } from '../../src/domain/money.ts';
import { type RecordingUpstream, startRecordingUpstream } from '../support/recording-upstream.ts';
import { startRedis, type TestRedis, until } from '../support/redis-server.ts';
import type { Outcome } from '../support/replica-call.ts';
import { type Load, startLoad } from '../support/replica-load.ts';
import { compareSums, toolsSeen } from '../support/replica-sums.ts';
import { type MintedKey, type Replica, type Replicas, startReplicas } from '../support/replicas.ts';

const priceMicros = 10_001;
const credited = '1000';
const commandTimeoutMs = 1_000;
const holdMsMax = 2_000;
/** Unaided, once Redis answers again (A41). */
const recoveryMsMax = 5_000;
/** For a refusal while Redis does not answer: one command, and what a busy machine adds. */
const refusalMsMax = commandTimeoutMs + 2_000;
const callers = 12;

const closers: (() => Promise<void>)[] = [];
let redis: TestRedis;
let upstream: RecordingUpstream;
let replicas: Replicas;
let payer: MintedKey;
let named = 0;
beforeAll(async () => {
  redis = await startRedis({ appendonly: 'always' });
  closers.push(() => redis.stop());
  upstream = await startRecordingUpstream({ sessions: false });
  closers.push(() => upstream.close());
  replicas = await startReplicas({
    ...{ store: redis.url, upstreamUrl: upstream.url, price: formatMicros(priceMicros), count: 2 },
    config: { limits: { holdMsMax, upstreamTimeoutMs: 1_000 }, redis: { commandTimeoutMs } },
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
/** Number of the first call of the test that runs. */
let first = 0;
beforeEach(() => {
  first = named + 1;
});
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});

describe('what Redis does to a gateway', () => {
  it('F01 A42: killed under load: 503 on every replica and nothing reaches the upstream; back, it serves again by itself (A41)', async () => {
    const load = callAll();
    await load.answered(100);
    await redis.kill();
    await refusedEverywhere('while Redis is gone');
    await notReadyAnywhere('while Redis is gone');
    await load.answered(20);
    await redis.restart();
    await recovered();
    await load.answered(50);
    await soundAfter(load);
  });

  it('F02 A42: frozen: refusals come in time and nothing reaches the upstream; going on, it serves again by itself', async () => {
    const load = callAll();
    await load.answered(100);
    redis.pause();
    ending.push(async () => redis.resume());
    await refusedEverywhere('while Redis is frozen');
    await notReadyAnywhere('while Redis is frozen');
    redis.resume();
    await recovered();
    await load.answered(50);
    await soundAfter(load);
  });

  it('F03 A46: its scripts flushed again and again: each call is charged once', async () => {
    const load = callAll();
    for (let time = 0; time < 10; time += 1) {
      await load.answered(20);
      await redis.cli('script', 'flush');
    }
    const outcomes = await soundAfter(load);
    expect(outcomes.every(({ result }) => result === 'passed')).toBe(true);
  });

  it('F04 A43: every connection cut again and again under load: no call is charged or made twice', async () => {
    const load = callAll();
    for (let time = 0; time < 10; time += 1) {
      await load.answered(30);
      await redis.cli('client', 'kill', 'type', 'normal');
    }
    await recovered();
    await load.answered(50);
    await soundAfter(load);
  });

  it('F05 A45: out of memory: 503 and nothing is sent; with memory again it serves', async () => {
    await redis.cli('config', 'set', 'maxmemory', '1mb');
    ending.push(() => redis.cli('config', 'set', 'maxmemory', '0'));
    await refusedEverywhere('while Redis has no memory');
    await notReadyAnywhere('while Redis has no memory');
    await redis.cli('config', 'set', 'maxmemory', '0');
    await recovered();
    await soundAfter();
  });

  it('F06 A47: a value of another type in the place of an account: 503, nothing is sent, nothing is taken of the key', async () => {
    const name = `${prefixOf(partitionOf('account:payer'))}account:payer`;
    await soundAfter();
    const before = await usageOf(payer.id);
    await redis.cli('rename', name, `${name}:kept`);
    ending.push(() => redis.cli('rename', `${name}:kept`, name));
    await redis.cli('set', name, 'of another type');
    const calls = await Promise.all(replicas.all.map((replica) => replica.call(payer.key, nextName())));
    expect(calls.map(({ status, result }) => `${status} ${result}`)).toEqual(calls.map(() => '503 STORE_UNAVAILABLE'));
    await redis.cli('rename', `${name}:kept`, name);
    ending.pop();
    expect(await usageOf(payer.id)).toEqual(before);
    await recovered();
    await soundAfter();
  });
});

describe('the feed of key changes', () => {
  it('F07 its connection cut over and over: a revoked key is refused everywhere at its next request, and the act is acknowledged', async () => {
    let cutting = true;
    const cut = async () => {
      for (let cuts = 0; ; ) {
        for (const line of (await redis.cli('client', 'list')).split('\n')) {
          const [, id] = /^id=(\d+) .* cmd=xread /.exec(line) ?? [];
          if (id === undefined) continue;
          // It may have gone by itself since it was listed.
          await redis.cli('client', 'kill', 'id', id).catch(() => undefined);
          cuts += 1;
        }
        if (!cutting) return cuts;
      }
    };
    const cuts = cut();
    ending.push(async () => {
      cutting = false;
      await cuts;
    });
    for (let time = 0; time < 10; time += 1) {
      const key = await replicas.mint({});
      const first = await Promise.all(replicas.all.map((replica) => replica.call(key.key, nextName())));
      expect(first.map(({ result }) => result)).toEqual(['passed', 'passed']);
      const revoked = await replicas.done({ verb: 'POST', path: `/keys/${key.id}/revoke` }, time % 2);
      const next = await Promise.all(replicas.all.map((replica) => replica.call(key.key, nextName())));
      expect(next).toMatchObject([
        { status: 401, result: 'TOKEN_REVOKED' },
        { status: 401, result: 'TOKEN_REVOKED' },
      ]);
      expect(Number(revoked['acknowledged']) + Number(revoked['pending'])).toBe(2);
    }
    cutting = false;
    expect(await cuts).toBeGreaterThan(10);
    await recovered();
    const key = await replicas.mint({});
    expect(await replicas.done({ verb: 'POST', path: `/keys/${key.id}/revoke` })).toMatchObject({ acknowledged: 2, pending: 0 });
  });
});

describe('Redis is not there', () => {
  it('F08 when a gateway starts: it is not ready and refuses, without the password in what it says; once Redis is there it serves by itself (A41)', async () => {
    const alone = await startRedis({ args: ['--requirepass', 'not-to-be-told'] });
    closers.push(() => alone.stop());
    const store = alone.url.replace('//', '//:not-to-be-told@');
    const place = await startReplicas({ store, upstreamUrl: upstream.url, price: '0.01', count: 1 });
    closers.push(() => place.remove());
    const { id, key } = await place.mint({});
    place.all[0]?.kill();
    expect((await place.all[0]?.exited)?.code).toBe(0);

    await alone.kill();
    const listed = await place.cli('keys', 'list');
    expect(listed.code, listed.stdout).toBe(1);
    expect(listed.stderr).toContain(`127.0.0.1:${alone.port}`);
    const replica = await place.restart(0);
    expect(await readiness(replica)).toBe(503);
    expect(await replica.call(key, nextName())).toMatchObject({ status: 503, result: 'STORE_UNAVAILABLE' });
    expect((await place.api({ verb: 'GET', path: `/keys/${id}` })).status).toBe(503);

    await alone.restart(); // without a file to read: another, empty store
    const began = performance.now();
    await until(async () => (await readiness(replica)) === 200, 'the replica is ready');
    expect(performance.now() - began).toBeLessThan(recoveryMsMax);
    expect(await replica.call(key, nextName())).toMatchObject({ status: 401, result: 'TOKEN_INVALID' });
    for (const said of [listed.stdout, listed.stderr, replica.stdout(), replica.stderr()]) expect(said).not.toContain('not-to-be-told');
  });
});

function callAll(): Load {
  const load = startLoad({ replicas, callers, next: () => ({ key: payer.key, tool: nextName() }) });
  ending.push(() => load.stop());
  return load;
}

function nextName(): string {
  named += 1;
  return `tool_${named}`;
}

/** Every replica refuses calls in time with 503, and the upstream sees none of those that begin now. */
async function refusedEverywhere(what: string): Promise<void> {
  // What was admitted before may still be on its way; what begins from now on is not.
  await Promise.all(
    replicas.all.map(async (replica) => {
      const calls = await Promise.all(Array.from({ length: 8 }, () => replica.call(payer.key, nextName())));
      const answers = calls.map(({ status, result }) => `${status} ${result}`);
      expect(answers, what).toEqual(answers.map(() => '503 STORE_UNAVAILABLE'));
      expect(Math.max(...calls.map(({ ms }) => ms)), what).toBeLessThan(refusalMsMax);
      const seen = new Set(toolsSeen(upstream));
      expect(
        calls.filter(({ tool }) => seen.has(tool)),
        what,
      ).toEqual([]);
    }),
  );
}

async function notReadyAnywhere(what: string): Promise<void> {
  await Promise.all(replicas.all.map((replica) => until(async () => (await readiness(replica)) === 503, `a replica is not ready ${what}`)));
}

/** Every replica is ready and passes calls, within the bound. */
async function recovered(): Promise<void> {
  const began = performance.now();
  const passes = async (replica: Replica) =>
    (await readiness(replica)) === 200 && (await replica.call(payer.key, nextName())).result === 'passed';
  await Promise.all(replicas.all.map((replica) => until(() => passes(replica), 'a replica serves again')));
  expect(performance.now() - began).toBeLessThan(recoveryMsMax);
}

async function readiness({ adminUrl }: Replica): Promise<number> {
  return (await fetch(`${adminUrl}/readyz`)).status;
}

async function usageOf(id: string): Promise<unknown> {
  return (await replicas.done({ verb: 'GET', path: `/usage?keyId=${id}` }))['data'];
}

/** Ends the load; then all sums agree, and nothing was paid for that was not made. */
async function soundAfter(load?: Load): Promise<readonly Outcome[]> {
  const outcomes = (await load?.stop()) ?? [];
  const sums = await compareSums(replicas, { upstream, priceMicros, accounts: new Map([['payer', credited]]), keyIds: [payer.id] });
  expect(sums.wrong).toEqual([]);
  // Nothing that was refused stays charged, not even where its admit ran and only the answer was lost.
  expect(sums.unsent.map(({ tool }) => String(tool)).filter((tool) => Number(tool.split('_')[1]) >= first)).toEqual([]);
  expect(outcomes.filter(({ result }) => !['passed', 'STORE_UNAVAILABLE'].includes(result))).toEqual([]);
  return outcomes;
}
