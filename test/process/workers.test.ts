import { availableParallelism } from 'node:os';
import { afterEach, describe, expect, it } from 'vitest';
import { formatMicros } from '../../src/domain/money.ts';
import { startRecordingUpstream } from '../support/recording-upstream.ts';
import { startRedis } from '../support/redis-server.ts';
import { startLoad } from '../support/replica-load.ts';
import { compareSums, toolsSeen } from '../support/replica-sums.ts';
import { type Replica, startReplicas } from '../support/replicas.ts';
import { eventually } from './served.ts';
import { openStream } from './stream.ts';
import { connectionsOf, isAlive, workersOf } from './worker-processes.ts';

const priceMicros = 10_001;
/** The system deals connections by chance: of so many none is all at one worker (2^-23). */
const streamCount = 24;
/** I3: the streams of a dead key are cut within a second, by every worker. */
const cutMsMax = 1_000;

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** One gateway of two workers, as a replica of which there is one. */
async function start(kind: 'embedded' | 'Redis', config: Record<string, unknown> = {}, args: readonly string[] = []) {
  const redis = kind === 'Redis' ? await startRedis({ appendonly: 'always' }) : undefined;
  if (redis) closers.push(() => redis.stop());
  const upstream = await startRecordingUpstream({ sessions: false });
  closers.push(() => upstream.close());
  const store = redis?.url ?? './var';
  const replicas = await startReplicas({
    ...{ store, upstreamUrl: upstream.url, price: formatMicros(priceMicros), count: 1 },
    config: { workers: 2, ...config },
    args,
  });
  closers.push(() => replicas.remove());
  const [gateway] = replicas.all;
  if (gateway === undefined) throw new Error('there is one gateway');
  return { upstream, replicas, gateway };
}

/** Waits until another worker serves in the place of one that has ended. */
async function replaced(gateway: Replica): Promise<void> {
  await gateway.printed(/"a worker serves again"/);
}

function call(gateway: Replica, key: string, names: readonly string[]) {
  return Promise.all(names.map((name) => gateway.call(key, name)));
}

function names(count: number, word = 'tool'): string[] {
  return Array.from({ length: count }, (_, at) => `${word}_${at}`);
}

/** The sum over what a scrape shows of one metric. */
async function metric(gateway: Replica, line: RegExp): Promise<number> {
  const text = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
  return text
    .split('\n')
    .filter((each) => line.test(each))
    .reduce((sum, each) => sum + Number(each.split(' ').at(-1)), 0);
}

function accountsOf(entries: Record<string, string>): Map<string, string> {
  return new Map(Object.entries(entries));
}

describe.each(['embedded', 'Redis'] as const)('two workers on one port, %s store', (kind) => {
  it('A51: one killed under load, the other serves, a new one takes its place, and all sums agree (I2, I8)', {
    timeout: 120_000,
  }, async () => {
    const limits = { holdMsMax: 2_000, upstreamTimeoutMs: 1_000 };
    const { upstream, replicas, gateway } = await start(kind, { limits });
    await replicas.fund('payer', '100');
    const key = await replicas.mint({ accountId: 'payer', caps: [{ calls: 1_000_000, per: 'total' }] });
    let next = 0;
    const load = startLoad({
      ...{ replicas, callers: 16 },
      next: () => {
        next += 1;
        return { key: key.key, tool: `tool_${next}` };
      },
    });
    await load.answered(50);
    const [victim = 0, ...others] = workersOf(gateway.pid);
    expect(others.length).toBe(1);
    expect([victim, ...others].map((pid) => connectionsOf(pid, gateway.mcpUrl) > 0)).toEqual([true, true]);
    process.kill(victim, 'SIGKILL');
    await load.answered(50);
    await replaced(gateway);
    expect(workersOf(gateway.pid)).toEqual(expect.arrayContaining(others));
    await load.answered(50);
    const outcomes = await load.stop();
    expect(new Set(outcomes.map(({ result }) => result)).difference(new Set(['passed', 'lost'])).size).toBe(0);

    const sums = await compareSums(replicas, { upstream, priceMicros, accounts: accountsOf({ payer: '100' }), keyIds: [key.id] });
    expect(sums.wrong).toEqual([]);
    const seen = new Set(toolsSeen(upstream));
    expect(outcomes.filter(({ result, tool }) => result === 'passed' && !seen.has(tool))).toEqual([]);
  });

  it('a budget for 20 of 64 calls at once lets exactly 20 through, and a rate is one for both (I2)', async () => {
    const { upstream, replicas, gateway } = await start(kind);
    const budget = { amount: formatMicros(20 * priceMicros), per: 'total' };
    const poor = await replicas.mint({ budgets: [budget] });
    // Connections first, so that the calls are at both workers at once.
    const outcomes = await call(gateway, poor.key, names(64));
    expect(workersOf(gateway.pid).map((pid) => connectionsOf(pid, gateway.mcpUrl) > 0)).toEqual([true, true]);
    expect(outcomes.filter(({ result }) => result === 'passed').length).toBe(20);
    expect(outcomes.filter(({ result }) => result === 'BUDGET_EXHAUSTED').length).toBe(44);
    expect(toolsSeen(upstream).length).toBe(20);

    const slow = await replicas.mint({ rate: { calls: 15, perSeconds: 86_400 } });
    const rated = await call(gateway, slow.key, names(64, 'rated'));
    expect(rated.filter(({ result }) => result === 'passed').length).toBe(15);
    expect(rated.filter(({ result }) => result === 'RATE_LIMITED').length).toBe(49);
    const sums = await compareSums(replicas, { upstream, priceMicros, accounts: new Map(), keyIds: [poor.id, slow.id] });
    expect(sums.wrong).toEqual([]);
    // One scrape tells of both.
    expect(await metric(gateway, /^keygate_requests_total\{.*method="tools\/call"/)).toBe(128);
  });

  it('a key revoked by the API is refused and its streams are cut by both, which is what the answer says (I3)', async () => {
    const { replicas, gateway } = await start(kind);
    const key = await replicas.mint({});
    const streams = await openStreams(gateway, key.key);
    const sentAt = Date.now();
    const revoked = await replicas.done({ verb: 'POST', path: `/keys/${key.id}/revoke` });
    expect(revoked).toMatchObject({ status: 'revoked', acknowledged: 2, pending: 0, pendingReplicas: [] });
    for (const stream of streams) expect((await stream.ended) - sentAt).toBeLessThan(cutMsMax);
    const outcomes = await call(gateway, key.key, names(32));
    expect(new Set(outcomes.map(({ result }) => result))).toEqual(new Set(['TOKEN_REVOKED']));

    const byCommand = await replicas.mint({});
    const open = await openStreams(gateway, byCommand.key);
    const ran = await replicas.cli('keys', 'revoke', byCommand.id);
    expect(ran.code).toBe(0);
    const ranAt = Date.now();
    for (const stream of open) expect((await stream.ended) - ranAt).toBeLessThan(cutMsMax);
  });

  it('SIGTERM drains both: calls end, the exit code is 0, and no process is left', async () => {
    const { upstream, replicas, gateway } = await start(kind);
    const key = await replicas.mint({});
    const release = Promise.withResolvers<void>();
    upstream.script(async (_request, _response, ordinary) => {
      await release.promise;
      await ordinary();
    });
    const running = call(gateway, key.key, names(8));
    await upstream.received(8);
    const workers = workersOf(gateway.pid);
    gateway.kill('SIGTERM');
    // One of them has heard of it by then, the other at the same time.
    await gateway.printed(/"worker":\d+,"running":\d+,"msg":"draining"|"msg":"draining"/);
    release.resolve();
    expect((await running).map(({ result }) => result)).toEqual(names(8).map(() => 'passed'));
    expect(await gateway.exited).toEqual({ code: 0, signal: null });
    expect(workers.filter(isAlive)).toEqual([]);
    const verified = await replicas.cli('journal', 'verify');
    expect(verified.code).toBe(0);
  });
});

async function openStreams(gateway: Replica, key: string) {
  const streams = await Promise.all(names(streamCount).map(() => openStream(`${gateway.mcpUrl}/mcp/up`, key)));
  for (const stream of streams) closers.push(() => stream.close());
  expect(streams.map(({ status }) => status)).toEqual(names(streamCount).map(() => 200));
  expect(workersOf(gateway.pid).map((pid) => connectionsOf(pid, gateway.mcpUrl) > 0)).toEqual([true, true]);
  return streams;
}

describe('workers of one gateway', () => {
  it('A59: another gateway is refused by the store, also by a worker that is left, while the workers and the command line share it', {
    timeout: 120_000,
  }, async () => {
    const { replicas, gateway } = await start('embedded');
    await expect(replicas.start()).rejects.toThrow(`Another gateway (process ${gateway.pid}) is serving from this store`);
    const key = await replicas.mint({});
    expect((await replicas.cli('keys', 'show', key.id)).code).toBe(0);
    const workers = workersOf(gateway.pid);
    // A worker that stands still cannot notice that its gateway is gone, and goes on with what it has when it can.
    const [frozen = 0, other = 0] = workers;
    process.kill(frozen, 'SIGSTOP');
    closers.push(() => isAlive(frozen) && process.kill(frozen, 'SIGKILL'));
    gateway.kill('SIGKILL');
    await gateway.exited;
    await eventually('the other worker ends with its gateway', () => (isAlive(other) ? undefined : true));
    await expect(replicas.start()).rejects.toThrow(`Another gateway (process ${frozen}) is serving from this store`);
    process.kill(frozen, 'SIGCONT');
    await eventually('the worker ends when it goes on', () => (isAlive(frozen) ? undefined : true));
    const next = await replicas.restart(0);
    expect((await next.call(key.key, 'tool')).result).toBe('passed');
  });

  it('a reload is taken by both, and a worker that is started later begins with what they have (A52)', async () => {
    const { replicas, gateway, upstream } = await start('embedded');
    const key = await replicas.mint({});
    await replicas.configure(({ upstreams }) => ({ upstreams: narrowed(upstreams), listen: { mcp: '127.0.0.1:1', admin: '127.0.0.1:2' } }));
    await taken(gateway, 'the configuration was reloaded');
    const refused = await call(gateway, key.key, names(48));
    expect(new Set(refused.map(({ result }) => result))).toEqual(new Set(['TOOL_NOT_ALLOWED']));
    await replicas.configure(() => ({ upstreams: 'nothing' }));
    await taken(gateway, 'the changed configuration has problems');

    const [victim = 0] = workersOf(gateway.pid);
    process.kill(victim, 'SIGKILL');
    await replaced(gateway);
    await eventually('the new worker is asked too', async () => {
      expect(new Set((await call(gateway, key.key, names(48))).map(({ result }) => result))).toEqual(new Set(['TOOL_NOT_ALLOWED']));
      return workersOf(gateway.pid).every((pid) => connectionsOf(pid, gateway.mcpUrl) > 0) || undefined;
    });
    expect(toolsSeen(upstream)).toEqual([]);
  });

  it('what a worker had counted stays in the sums when it is gone', async () => {
    const { replicas, gateway } = await start('embedded');
    const key = await replicas.mint({});
    await call(gateway, key.key, names(32));
    const counted = /^keygate_requests_total\{.*method="tools\/call"/;
    expect(await metric(gateway, counted)).toBe(32);
    for (const victim of workersOf(gateway.pid)) {
      process.kill(victim, 'SIGKILL');
      await eventually('both serve', async () => {
        const text = gateway.stderr().match(/"a worker serves again"/g) ?? [];
        return (!workersOf(gateway.pid).includes(victim) && text.length > 0 && workersOf(gateway.pid).length === 2) || undefined;
      });
    }
    expect(await metric(gateway, counted)).toBe(32);
  });

  it('workers: 0 is one for each core; --workers stands in place of what is configured', async () => {
    const cores = availableParallelism();
    const { gateway } = await start('embedded', { workers: 3 }, ['--workers', '0']);
    expect(workersOf(gateway.pid).length).toBe(cores === 1 ? 0 : cores);
  });

  it('a worker that cannot serve at the start ends the gateway with its reason', async () => {
    const { gateway, replicas } = await start('Redis');
    await replicas.configure(() => ({ listen: { mcp: new URL(gateway.mcpUrl).host, admin: '127.0.0.1:0' } }));
    await expect(replicas.start()).rejects.toThrow(/code 1.*cannot listen on 127\.0\.0\.1:\d+: .*EADDRINUSE/s);
  });
});

/** Every tool but those that nobody asks for is taken out. */
function narrowed(upstreams: unknown): Record<string, unknown> {
  const { up } = upstreams as { up: Record<string, unknown> };
  return { up: { ...up, tools: [{ match: 'another', scope: 'read:up' }] } };
}

/** Waits until both workers have written this. */
async function taken(gateway: Replica, line: string): Promise<void> {
  await eventually(`both say: ${line}`, () => {
    const said = gateway
      .stderr()
      .split('\n')
      .filter((each) => each.includes(line));
    return new Set(said.map((each) => (JSON.parse(each) as { worker: number }).worker)).size === 2 || undefined;
  });
}
