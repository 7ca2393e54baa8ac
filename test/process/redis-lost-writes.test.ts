import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { formatMicros } from '../../src/domain/money.ts';
import { startRecordingUpstream } from '../support/recording-upstream.ts';
import { startSentinel } from '../support/redis-sentinel.ts';
import { startRedis, type TestRedis, until } from '../support/redis-server.ts';
import type { Outcome } from '../support/replica-call.ts';
import { startLoad } from '../support/replica-load.ts';
import { type Replicas, startReplicas } from '../support/replicas.ts';

const priceMicros = 10_000;
/** Calls that every server of the pair knows, and calls that the one that dies knows alone. */
const kept = 10;
const lost = 15;
const budgetCalls = 40;
/** docs/redis.md: what `appendfsync everysec` loses, and what a busy disk adds. */
const lossMsMax = 2_000;

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

it('A44: a failover before replication: what is lost is what was not replicated, the journal’s archive still has it, and it is said', {
  timeout: 120_000,
}, async () => {
  const sentinel = await startSentinel();
  closers.push(() => sentinel.stop());
  const upstream = await startRecordingUpstream({ sessions: false });
  closers.push(() => upstream.close());
  const replicas = await startReplicas({
    ...{ store: sentinel.url, upstreamUrl: upstream.url, price: formatMicros(priceMicros), count: 1 },
    config: {
      journal: { archive: './archive' },
      limits: { holdMsMax: 2_000, upstreamTimeoutMs: 1_000 },
      redis: { commandTimeoutMs: 1_000 },
    },
  });
  closers.push(() => replicas.remove());
  const key = await replicas.mint({ budgets: [{ amount: formatMicros(budgetCalls * priceMicros), per: 'total' }] });
  const call = callerOn(replicas, key.key);
  expect(passed(await call(kept))).toBe(kept);
  await until(async () => (await spentOf(replicas, key.id)) === kept * priceMicros, 'all are settled');
  // The journal is sealed up to here, and the replica knows so.
  await replicas.journal();
  const offset = async ({ cli }: TestRedis) => /(?:master|slave)_repl_offset:(\d+)/.exec(await cli('info', 'replication'))?.[1];
  await until(async () => (await offset(sentinel.replica)) === (await offset(sentinel.master)), 'the replica has caught up');
  // Whatever the master writes now, the replica does not hear of.
  await sentinel.replica.cli('replicaof', '127.0.0.1', '1');
  expect(passed(await call(lost))).toBe(lost);
  await until(async () => (await spentOf(replicas, key.id)) === (kept + lost) * priceMicros, 'all are settled');
  expect((await replicas.journal()).filter(({ kind, tool }) => kind === 'call.outcome' && tool !== undefined)).toHaveLength(kept + lost);
  expect((await readdir(join(replicas.folder, 'archive'), { recursive: true })).length).toBeGreaterThan(0);
  expect((await replicas.cli('ledger', 'reconcile')).code).toBe(0);

  await sentinel.master.kill();
  await sentinel.switched();
  const [replica] = replicas.all;
  await until(async () => replica !== undefined && (await fetch(`${replica.adminUrl}/readyz`)).status === 200, 'the gateway serves again');
  // What was counted is what was replicated: the loss is no more than that.
  expect(await spentOf(replicas, key.id)).toBe(kept * priceMicros);
  const reconciled = await replicas.cli('ledger', 'reconcile', '--json');
  expect(reconciled.code, reconciled.stdout + reconciled.stderr).toBe(1);
  expect(reconciled.stderr).toMatch(/records \d+ to \d+ are sealed, but Redis no longer knows of them/);
  const report = JSON.parse(reconciled.stdout) as { ok: boolean; differences: { what: string; difference: string }[] };
  expect(report.ok).toBe(false);
  expect(report.differences).toContainEqual(
    expect.objectContaining({ what: `key:${key.id} budget total spent`, difference: `-${formatMicros(lost * priceMicros)}` }),
  );
  // The records of the lost calls are there, the chain holds, and new calls go on in it.
  const rest = await call(budgetCalls);
  expect(passed(rest)).toBe(budgetCalls - kept);
  const records = await replicas.journal();
  const outcomes = records.filter(({ kind, tool }) => kind === 'call.outcome' && tool !== undefined);
  expect(new Set(outcomes.map(({ tool }) => tool)).size).toBe(kept + lost + passed(rest));
  expect((await replicas.cli('journal', 'verify')).code).toBe(0);
  expect(upstream.calls('tools/call')).toHaveLength(kept + lost + passed(rest));
});

it('A48: Redis killed under load with appendfsync everysec: what was answered longer ago than the documented second is there, and the ledger is what the journal says', {
  timeout: 120_000,
}, async () => {
  const redis = await startRedis({ appendonly: 'everysec' });
  closers.push(() => redis.stop());
  const upstream = await startRecordingUpstream({ sessions: false });
  closers.push(() => upstream.close());
  const replicas = await startReplicas({
    ...{ store: redis.url, upstreamUrl: upstream.url, price: formatMicros(priceMicros), count: 2 },
    config: { limits: { holdMsMax: 2_000, upstreamTimeoutMs: 1_000 }, redis: { commandTimeoutMs: 1_000 } },
  });
  closers.push(() => replicas.remove());
  const key = await replicas.mint({ budgets: [{ amount: '1000', per: 'total' }] });
  const answeredAt = new Map<string, number>();
  let next = 0;
  const load = startLoad({
    ...{ replicas, callers: 8 },
    next: () => {
      next += 1;
      return { key: key.key, tool: `tool_${next}` };
    },
  });
  await load.answered(300);
  for (const { message } of upstream.calls('tools/call')) {
    answeredAt.set((message as { params: { name: string } }).params.name, performance.now());
  }
  const killedAt = performance.now();
  await redis.kill();
  await redis.restart();
  const ready = async () =>
    (await Promise.all(replicas.all.map(async ({ adminUrl }) => (await fetch(`${adminUrl}/readyz`)).status))).every((code) => code === 200);
  await until(ready, 'the gateways serve again');
  await load.answered(20);
  const outcomes = await load.stop();
  expect(outcomes.filter(({ result }) => !['passed', 'STORE_UNAVAILABLE'].includes(result))).toEqual([]);
  await until(async () => (await heldOf(replicas, key.id)) === 0, 'nothing is held');
  const recorded = new Set((await replicas.journal()).filter(({ kind }) => kind === 'call.intent').map(({ tool }) => tool));
  const missing = outcomes.filter(({ result, tool }) => result === 'passed' && !recorded.has(tool)).map(({ tool }) => tool);
  // Each was answered within the time that may be lost.
  expect(missing.filter((tool) => killedAt - (answeredAt.get(tool) ?? killedAt) > lossMsMax)).toEqual([]);
  const reconciled = await replicas.cli('ledger', 'reconcile');
  expect(reconciled.code, reconciled.stdout).toBe(0);
  expect((await replicas.cli('journal', 'verify')).code).toBe(0);
  expect(await spentOf(replicas, key.id)).toBe(recorded.size * priceMicros - (await unsent(replicas)) * priceMicros);
});

function callerOn(replicas: Replicas, key: string): (count: number) => Promise<Outcome[]> {
  let named = 0;
  return (count) =>
    Promise.all(
      Array.from({ length: count }, () => {
        named += 1;
        const [replica] = replicas.all;
        if (!replica) throw new Error('there is no replica');
        return replica.call(key, `tool_${named}`);
      }),
    );
}

const passed = (outcomes: readonly Outcome[]): number => outcomes.filter(({ result }) => result === 'passed').length;

async function limitOf(replicas: Replicas, keyId: string): Promise<{ spent: string; held: string }> {
  const { data } = await replicas.done({ verb: 'GET', path: `/usage?keyId=${keyId}` });
  const [{ limits } = { limits: [] }] = data as { limits: { spent: string; held: string }[] }[];
  return limits[0] ?? { spent: 'NaN', held: 'NaN' };
}

/** Micro-units. */
const spentOf = async (replicas: Replicas, keyId: string): Promise<number> =>
  Math.round(Number((await limitOf(replicas, keyId)).spent) * 1_000_000);

const heldOf = async (replicas: Replicas, keyId: string): Promise<number> => Number((await limitOf(replicas, keyId)).held);

/** Calls whose outcome says that nothing was sent, and so nothing charged. */
async function unsent(replicas: Replicas): Promise<number> {
  return (await replicas.journal()).filter(({ kind, charged }) => kind === 'call.outcome' && charged === '0').length;
}
