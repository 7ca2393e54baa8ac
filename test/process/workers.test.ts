import { availableParallelism } from 'node:os';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { formatMicros } from '../../src/domain/money.ts';
import { type RecordingUpstream, startRecordingUpstream } from '../support/recording-upstream.ts';
import { startRedis } from '../support/redis-server.ts';
import { startLoad } from '../support/replica-load.ts';
import { compareSums, toolsSeen } from '../support/replica-sums.ts';
import { type Replica, type Replicas, startReplicas } from '../support/replicas.ts';
import { eventually } from './served.ts';
import { openStream } from './stream.ts';
import { connectionsOf, isAlive, workersOf } from './worker-processes.ts';

const priceMicros = 10_001;
/** The system deals connections by chance: of so many none is all at one worker (2^-23). */
const streamCount = 24;
/** I3: the streams of a dead key are cut within a second, by every worker. */
const cutMsMax = 1_000;
const forgottenMsMax = 20_000;

/** Programs are started one after the other here, and each needs a second or two of a core. */
const startMsMax = 120_000;
const calls = /^keygate_requests_total\{.*method="tools\/call"/;

/** One gateway of two workers, as a replica of which there is one. */
async function start(
  kind: 'embedded' | 'Redis',
  ending: (() => unknown)[],
  { config, args = [] }: { config?: Record<string, unknown>; args?: readonly string[] } = {},
) {
  const redis = kind === 'Redis' ? await startRedis({ appendonly: 'always' }) : undefined;
  if (redis) ending.push(() => redis.stop());
  const upstream = await startRecordingUpstream({ sessions: false });
  ending.push(() => upstream.close());
  const place = { store: redis?.url ?? './var', upstreamUrl: upstream.url, price: formatMicros(priceMicros) };
  const replicas = await startReplicas({ ...place, args, count: 1, config: { workers: 2, ...config } });
  ending.push(() => replicas.remove());
  const [gateway] = replicas.all;
  if (gateway === undefined) throw new Error('there is one gateway');
  return { upstream, replicas, gateway };
}

async function endAll(ending: (() => unknown)[]): Promise<void> {
  for (const end of ending.splice(0).reverse()) await end();
}

/** Waits until so many workers serve in the place of others. */
async function replaced(gateway: Replica, count: number): Promise<void> {
  await gateway.printed(new RegExp(Array.from({ length: count }, () => '"a worker serves again"').join('[^]*')));
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

describe.each(['embedded', 'Redis'] as const)('two workers on one port, %s store', (kind) => {
  const ending: (() => unknown)[] = [];
  let upstream: RecordingUpstream;
  let replicas: Replicas;
  let gateway: Replica;
  beforeAll(async () => {
    ({ upstream, replicas, gateway } = await start(kind, ending, { config: { limits: { holdMsMax: 2_000, upstreamTimeoutMs: 1_000 } } }));
  }, startMsMax);
  afterAll(() => endAll(ending));

  it('a budget for 20 of 64 calls at once lets exactly 20 through, a rate is one for both, and one scrape tells of both (I2)', async () => {
    const counted = await metric(gateway, calls);
    const poor = await replicas.mint({ budgets: [{ amount: formatMicros(20 * priceMicros), per: 'total' }] });
    const outcomes = await call(gateway, poor.key, names(64, 'poor'));
    expect(workersOf(gateway.pid).map((pid) => connectionsOf(pid, gateway.mcpUrl) > 0)).toEqual([true, true]);
    expect(outcomes.filter(({ result }) => result === 'passed').length).toBe(20);
    expect(outcomes.filter(({ result }) => result === 'BUDGET_EXHAUSTED').length).toBe(44);
    expect(toolsSeen(upstream).filter((tool) => tool.startsWith('poor')).length).toBe(20);

    const slow = await replicas.mint({ rate: { calls: 15, perSeconds: 86_400 } });
    const rated = await call(gateway, slow.key, names(64, 'rated'));
    expect(rated.filter(({ result }) => result === 'passed').length).toBe(15);
    expect(rated.filter(({ result }) => result === 'RATE_LIMITED').length).toBe(49);
    expect((await metric(gateway, calls)) - counted).toBe(128);
  });

  it('A51: one killed under load, the other serves, a new one takes its place, and all sums agree (I2, I8)', async () => {
    await replicas.fund('payer', '100');
    const key = await replicas.mint({ accountId: 'payer', caps: [{ calls: 1_000_000, per: 'total' }] });
    let next = 0;
    const load = startLoad({
      ...{ replicas, callers: 32 },
      next: () => {
        next += 1;
        return { key: key.key, tool: `load_${next}` };
      },
    });
    await load.answered(100);
    const [victim = 0, other = 0] = workersOf(gateway.pid);
    expect([victim, other].map((pid) => connectionsOf(pid, gateway.mcpUrl) > 0)).toEqual([true, true]);
    process.kill(victim, 'SIGKILL');
    await load.answered(100);
    await replaced(gateway, 1);
    expect(workersOf(gateway.pid)).toContain(other);
    await load.answered(50);
    const outcomes = await load.stop();
    expect(outcomes.filter(({ result }) => result !== 'passed' && result !== 'lost')).toEqual([]);
    const counted = await metric(gateway, calls);
    process.kill(other, 'SIGKILL');
    await replaced(gateway, 2);
    // A counter that fell would look to whoever scrapes as if it had begun anew.
    expect(await metric(gateway, calls)).toBe(counted);

    const sums = await compareSums(replicas, { upstream, priceMicros, accounts: new Map([['payer', '100']]), keyIds: [key.id] });
    expect(sums.wrong).toEqual([]);
    const seen = new Set(toolsSeen(upstream));
    expect(outcomes.filter(({ result, tool }) => result === 'passed' && !seen.has(tool))).toEqual([]);
  });

  const nobodyIsPending = async (): Promise<true | undefined> => {
    const { id } = await replicas.mint({});
    return (await replicas.done({ verb: 'POST', path: `/keys/${id}/revoke` }))['pending'] === 0 || undefined;
  };

  it('a key revoked by the API is refused and its streams are cut by both, which is what the answer says (I3)', async () => {
    // Redis goes on naming a process that was killed, as those of the test before, for ten seconds.
    await eventually('only those that serve are waited for', nobodyIsPending, forgottenMsMax);
    const key = await replicas.mint({});
    const streams = await openStreams(gateway, key.key);
    const sentAt = Date.now();
    const revoked = await replicas.done({ verb: 'POST', path: `/keys/${key.id}/revoke` });
    expect(revoked).toMatchObject({ status: 'revoked', acknowledged: 2, pending: 0, pendingReplicas: [] });
    for (const stream of streams) expect((await stream.ended) - sentAt).toBeLessThan(cutMsMax);
    const outcomes = await call(gateway, key.key, names(32, 'dead'));
    expect(new Set(outcomes.map(({ result }) => result))).toEqual(new Set(['TOKEN_REVOKED']));

    const byCommand = await replicas.mint({});
    const open = await openStreams(gateway, byCommand.key);
    expect((await replicas.cli('keys', 'revoke', byCommand.id)).code).toBe(0);
    const ranAt = Date.now();
    for (const stream of open) expect((await stream.ended) - ranAt).toBeLessThan(cutMsMax);
  });

  it('SIGTERM drains both: calls end, the exit code is 0, no process is left, and the journal verifies', async () => {
    const key = await replicas.mint({});
    const release = Promise.withResolvers<void>();
    upstream.script(async (_request, _response, ordinary) => {
      await release.promise;
      await ordinary();
    });
    const before = toolsSeen(upstream).length;
    const running = call(gateway, key.key, names(8, 'last'));
    await eventually('they have all arrived', () => toolsSeen(upstream).length === before + 8 || undefined);
    const workers = workersOf(gateway.pid);
    gateway.kill('SIGTERM');
    await gateway.printed(/"msg":"draining"/);
    release.resolve();
    expect((await running).map(({ result }) => result)).toEqual(names(8).map(() => 'passed'));
    expect(await gateway.exited).toEqual({ code: 0, signal: null });
    expect(workers.filter(isAlive)).toEqual([]);
    expect((await replicas.cli('journal', 'verify')).code).toBe(0);
  });
});

async function openStreams(gateway: Replica, key: string) {
  const streams = await Promise.all(names(streamCount).map(() => openStream(`${gateway.mcpUrl}/mcp/up`, key)));
  expect(streams.map(({ status }) => status)).toEqual(names(streamCount).map(() => 200));
  expect(workersOf(gateway.pid).map((pid) => connectionsOf(pid, gateway.mcpUrl) > 0)).toEqual([true, true]);
  return streams;
}

describe('workers of one gateway', { timeout: startMsMax }, () => {
  const ending: (() => unknown)[] = [];
  afterEach(() => endAll(ending));

  it('A59: another gateway is refused by the store, also by a worker that is left, while the workers and the command line share it', async () => {
    const { replicas, gateway } = await start('embedded', ending);
    await expect(replicas.start()).rejects.toThrow(`Another gateway (process ${gateway.pid}) is serving from this store`);
    const key = await replicas.mint({});
    expect((await replicas.cli('keys', 'show', key.id)).code).toBe(0);
    // A worker that stands still cannot notice that its gateway is gone, and would go on with what it has when it can.
    const [frozen = 0, other = 0] = workersOf(gateway.pid);
    process.kill(frozen, 'SIGSTOP');
    ending.push(() => isAlive(frozen) && process.kill(frozen, 'SIGKILL'));
    gateway.kill('SIGKILL');
    await eventually('the other worker ends with its gateway', () => (isAlive(gateway.pid) || isAlive(other) ? undefined : true));
    await expect(replicas.start()).rejects.toThrow(`Another gateway (process ${frozen}) is serving from this store`);
    process.kill(frozen, 'SIGCONT');
    await eventually('the worker ends when it goes on', () => (isAlive(frozen) ? undefined : true));
    const next = await replicas.restart(0);
    expect((await next.call(key.key, 'tool')).result).toBe('passed');
  });

  it('a reload is taken by both, and a worker that is started later begins with what they have (A52)', async () => {
    const { replicas, gateway, upstream } = await start('embedded', ending);
    const key = await replicas.mint({});
    const elsewhere = { mcp: '127.0.0.1:1', admin: '127.0.0.1:2' };
    await replicas.configure(({ upstreams }) => ({ upstreams: narrowed(upstreams), listen: elsewhere, workers: 3 }));
    await said(gateway, 'the configuration was reloaded');
    const refused = await call(gateway, key.key, names(48));
    expect(new Set(refused.map(({ result }) => result))).toEqual(new Set(['TOOL_NOT_ALLOWED']));
    await replicas.configure(() => ({ upstreams: 'nothing' }));
    await said(gateway, 'the changed configuration has problems');

    const [victim = 0] = workersOf(gateway.pid);
    process.kill(victim, 'SIGKILL');
    await replaced(gateway, 1);
    const after = await call(gateway, key.key, names(48));
    expect(workersOf(gateway.pid).map((pid) => connectionsOf(pid, gateway.mcpUrl) > 0)).toEqual([true, true]);
    expect(new Set(after.map(({ result }) => result)).difference(new Set(['TOOL_NOT_ALLOWED', 'lost'])).size).toBe(0);
    expect(toolsSeen(upstream)).toEqual([]);
  });

  it('workers: 0 is one for each core; --workers stands in place of what is configured', async () => {
    const cores = availableParallelism();
    const { gateway } = await start('embedded', ending, { config: { workers: 3 }, args: ['--workers', '0'] });
    expect(workersOf(gateway.pid).length).toBe(cores === 1 ? 0 : cores);
  });

  it('a worker that cannot serve at the start ends the gateway with its reason', async () => {
    const { replicas, gateway } = await start('Redis', ending);
    await replicas.configure(() => ({ listen: { mcp: new URL(gateway.mcpUrl).host, admin: '127.0.0.1:0' } }));
    await expect(replicas.start()).rejects.toThrow(/code 1.*cannot listen on 127\.0\.0\.1:\d+: .*EADDRINUSE/s);
    await replicas.configure(() => ({ keys: { pepper: 'p'.repeat(40) } }));
    await expect(replicas.start()).rejects.toThrow(/code 1.*The pepper configured is not the one/s);
  });
});

/** Every tool but those that nobody asks for is taken out. */
function narrowed(upstreams: unknown): Record<string, unknown> {
  const { up } = upstreams as { up: Record<string, unknown> };
  return { up: { ...up, tools: [{ match: 'another', scope: 'read:up' }] } };
}

/** Waits until both workers have written this. */
async function said(gateway: Replica, line: string): Promise<void> {
  await eventually(`both say: ${line}`, () => {
    const lines = gateway
      .stderr()
      .split('\n')
      .filter((each) => each.includes(line));
    return new Set(lines.map((each) => (JSON.parse(each) as { worker: number }).worker)).size === 2 || undefined;
  });
}
