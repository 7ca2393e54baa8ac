import { writeFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type OpenStream, openStream } from '../test/process/stream.ts';
import { startProcess } from '../test/support/process.ts';
import { startRedis } from '../test/support/redis-server.ts';
import type { Outcome } from '../test/support/replica-call.ts';
import { type MintedKey, type Replicas, startReplicas } from '../test/support/replicas.ts';

/**
 * `npm run load:revocation [-- --smoke] [-- --out FILE]`: four gateways on one Redis under a modest load; keys are revoked one after the
 * other over the API of changing replicas. Says how long it takes, from the sending of the act, until it is answered, until every replica
 * refuses the key, and until every replica has cut its open stream. Exit code 1 where a replica missed one, or where a
 * stream outlived `cutMsMax`.
 */
const replicaCount = 4;
const keysMeasured = { whole: 200, smoke: 20 } as const;
/** I3: the streams of a dead key are cut within a second. */
const cutMsMax = 1_000;
/** Between two requests with the key on one replica, in ms: so finely is its refusal measured, and so little do the requests weigh. */
const probeEveryMs = 5;
/** What has not happened by then is counted as never. */
const giveUpMs = 10_000;

const { values } = parseArgs({
  options: {
    smoke: { type: 'boolean', default: false },
    rate: { type: 'string', default: '100' },
    out: { type: 'string' },
  },
});
const rate = Number(values.rate);
if (!Number.isInteger(rate) || rate < 0 || rate > 10_000) {
  console.error('--rate is a whole number from 0 to 10000: background calls each second, over all replicas');
  process.exit(2);
}

/** Of one revocation, in ms since the act was sent; NaN for what never happened. */
interface Measured {
  /** As the answer says it. */
  readonly elapsedMs: number;
  /** As the sender saw it. */
  readonly answeredMs: number;
  readonly refusedMs: number;
  readonly cutMs: number;
}

const closers: (() => Promise<unknown>)[] = [];
try {
  process.exitCode = await benchmark();
} finally {
  for (const close of closers.reverse()) await close();
}

async function benchmark(): Promise<number> {
  const redis = await startRedis({ appendonly: 'always' });
  closers.push(() => redis.stop());
  const program = fileURLToPath(new URL('stream-stub.ts', import.meta.url));
  const stub = await startProcess(process.execPath, [program], { ready: /listening on \d+/ });
  closers.push(async () => {
    stub.kill('SIGKILL');
    await stub.exited;
  });
  const [, port] = await stub.printed(/listening on (\d+)/);
  const options = { store: redis.url, upstreamUrl: `http://127.0.0.1:${port}/mcp`, price: '0.001', count: replicaCount };
  const replicas = await startReplicas(options);
  closers.push(() => replicas.remove());

  const load = await startSteadyLoad(replicas);
  const count = values.smoke ? keysMeasured.smoke : keysMeasured.whole;
  const keys: MintedKey[] = [];
  for (let nth = 0; nth < count; nth += 1) keys.push(await replicas.mint({}, nth % replicaCount));
  const wrong: string[] = [];
  const measured: Measured[] = [];
  for (const [nth, key] of keys.entries()) measured.push(await revokeOne(replicas, { key, at: nth % replicaCount, wrong }));
  const { calls, failed } = await load.stop();
  if (failed > 0) wrong.push(`${failed} of ${calls} background calls did not pass`);

  const names = ['elapsedMs', 'answeredMs', 'refusedMs', 'cutMs'] as const;
  const distributions = Object.fromEntries(names.map((name) => [name, distributionOf(measured.map((one) => one[name]))]));
  if (!((distributions['cutMs']?.max ?? Number.NaN) < cutMsMax)) wrong.push(`a stream was not cut within ${cutMsMax} ms`);
  tell({ distributions, count, calls, wrong });
  const result = { revocations: count, replicas: replicaCount, rate, backgroundCalls: calls, ...distributions, wrong };
  if (values.out !== undefined) await writeFile(values.out, `${JSON.stringify(result, null, 2)}\n`);
  return wrong.length === 0 ? 0 : 1;
}

/** Revokes one key over one replica's API while every replica is asked with it, over and over, and has a stream of it open. */
async function revokeOne(replicas: Replicas, { key, at, wrong }: { key: MintedKey; at: number; wrong: string[] }): Promise<Measured> {
  const streams = await Promise.all(replicas.all.map(({ mcpUrl }) => openStream(`${mcpUrl}/mcp/up`, key.key)));
  if (streams.some(({ status }) => status !== 200)) wrong.push(`no stream could be opened with ${key.id}`);
  // Every replica knows the key from a call before: what is measured is that it forgets it.
  const before = await Promise.all(replicas.all.map((replica) => replica.call(key.key, 'before')));
  if (before.some(({ result }) => result !== 'passed')) wrong.push(`a call with ${key.id} did not pass before it was revoked`);

  const began = performance.now();
  const sentAt = Date.now();
  const act = replicas.done({ verb: 'POST', path: `/keys/${key.id}/revoke`, body: { reason: 'benchmark' } }, at).then((answer) => ({
    answer,
    answeredMs: performance.now() - began,
  }));
  const probes = replicas.all.map(async (replica) => {
    for (;;) {
      const outcome = await replica.call(key.key, 'probe');
      const ms = performance.now() - began;
      if (outcome.result === 'TOKEN_REVOKED') return ms;
      if (outcome.result !== 'passed' || ms > giveUpMs) return Number.NaN;
      await pause(probeEveryMs);
    }
  });
  const [{ answer, answeredMs }, refused, cut] = await Promise.all([act, Promise.all(probes), Promise.all(streams.map(endOf))]);
  for (const stream of streams) stream.close();
  if (answer['acknowledged'] !== replicaCount || answer['pending'] !== 0) wrong.push(`${key.id} was answered ${JSON.stringify(answer)}`);
  if (![...refused, ...cut].every(Number.isFinite)) wrong.push(`a replica never refused ${key.id}, or never cut its stream`);
  return {
    elapsedMs: Number(answer['elapsedMs']),
    answeredMs,
    refusedMs: Math.max(...refused),
    cutMs: Math.max(...cut) - sentAt,
  };
}

async function endOf({ ended }: OpenStream): Promise<number> {
  const late = Promise.withResolvers<number>();
  const timer = setTimeout(() => late.resolve(Number.NaN), giveUpMs);
  return await Promise.race([ended, late.promise]).finally(() => clearTimeout(timer));
}

/** Calls at a fixed rate, over all replicas in turn, however long the answers take. */
async function startSteadyLoad(replicas: Replicas): Promise<{ stop(): Promise<{ calls: number; failed: number }> }> {
  const everyMs = 10;
  const keys = await Promise.all(Array.from({ length: 16 }, (_, nth) => replicas.mint({}, nth % replicaCount)));
  const running: Promise<Outcome>[] = [];
  const began = performance.now();
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - began) / 1000) * rate);
    while (running.length < due) {
      const turn = running.length;
      const replica = replicas.all[turn % replicaCount];
      const key = keys[turn % keys.length];
      if (replica && key) running.push(replica.call(key.key, 'steady'));
    }
  }, everyMs);
  return {
    async stop() {
      clearInterval(timer);
      const outcomes = await Promise.all(running);
      return { calls: outcomes.length, failed: outcomes.filter(({ result }) => result !== 'passed').length };
    },
  };
}

interface Distribution {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** By the nearest rank: with few values the 99th percentile is the largest. What never happened is larger than everything. */
function distributionOf(all: readonly number[]): Distribution {
  const sorted = all.map((ms) => (Number.isFinite(ms) ? ms : Number.POSITIVE_INFINITY)).sort((one, other) => one - other);
  const rank = (share: number) => Number((sorted[Math.ceil(sorted.length * share) - 1] ?? Number.NaN).toFixed(2));
  return { p50: rank(0.5), p99: rank(0.99), max: rank(1) };
}

function tell(told: { distributions: Record<string, Distribution>; count: number; calls: number; wrong: readonly string[] }): void {
  const { distributions, count, calls, wrong } = told;
  const setting = `${replicaCount} replicas, ${rate} other calls each second`;
  console.log(`${count} revocations, ${setting} (${calls} in all); ms from the sending of the act:\n`);
  const titles: Record<string, string> = {
    elapsedMs: 'all have acknowledged (as answered)',
    answeredMs: 'the act is answered',
    refusedMs: 'every replica refuses the key',
    cutMs: 'every stream of the key is cut',
  };
  const row = (cells: readonly string[]) => console.log(cells.map((cell, at) => cell.padEnd(at === 0 ? 40 : 12)).join(''));
  row(['', 'p50', 'p99', 'max']);
  for (const [name, { p50, p99, max }] of Object.entries(distributions)) row([titles[name] ?? name, `${p50}`, `${p99}`, `${max}`]);
  if (wrong.length > 0) console.log('');
  for (const each of wrong) console.log(`WRONG: ${each}`);
}
