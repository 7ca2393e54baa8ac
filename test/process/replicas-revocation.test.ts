import { Pool } from 'undici';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { type RecordingUpstream, startRecordingUpstream } from '../support/recording-upstream.ts';
import { startRedis } from '../support/redis-server.ts';
import { startLoad } from '../support/replica-load.ts';
import { toolsSeen } from '../support/replica-sums.ts';
import { type MintedKey, type Replica, type Replicas, startReplicas } from '../support/replicas.ts';
import { type OpenStream, openStream } from './stream.ts';

/** I3: the streams of a dead key are cut within a second, on every replica. */
const cutMsMax = 1_000;
/** What a revocation waits for replicas that do not answer, and what a busy machine adds. */
const boundMsMax = 2_000 + 1_000;
const count = 4;
/** Requests that wait for a frozen replica. */
const waiting = 8;

const closers: (() => Promise<void>)[] = [];
let upstream: RecordingUpstream;
let replicas: Replicas;
let named = 0;
beforeAll(async () => {
  const redis = await startRedis({ appendonly: 'always' });
  closers.push(() => redis.stop());
  upstream = await startRecordingUpstream({ sessions: false });
  closers.push(() => upstream.close());
  replicas = await startReplicas({ store: redis.url, upstreamUrl: upstream.url, price: '0.001', count });
  closers.push(() => replicas.remove());
});
afterAll(async () => {
  for (const close of closers.reverse()) await close();
});

/** Of the test that runs: ended even where the test fails. */
const ending: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});

it('revoked on one of four replicas under load: acknowledged by all, refused by all at the next request, streams cut within a second (I3)', async () => {
  const busy = await replicas.mint({});
  const load = startLoad({ replicas, callers: 4, next: () => ({ key: busy.key, tool: nextName() }) });
  ending.push(() => load.stop());
  await load.answered(20);
  for (let at = 0; at < count; at += 1) {
    const key = await replicas.mint({}, (at + 1) % count);
    const streams = await openEverywhere(key);
    const sentAt = Date.now();
    const revoked = await replicas.done({ verb: 'POST', path: `/keys/${key.id}/revoke`, body: { reason: 'a test' } }, at);
    expect(revoked).toMatchObject({ status: 'revoked', already: false, acknowledged: count, pending: 0, pendingReplicas: [] });
    await expectRefused(key, 'TOKEN_REVOKED');
    for (const stream of streams) expect((await stream.ended) - sentAt).toBeLessThan(cutMsMax);
  }
  await load.answered(20);
  const outcomes = await load.stop();
  expect(outcomes.filter(({ result }) => result !== 'passed')).toEqual([]);
});

it('a parent revoked by the command line, a child deleted, a key narrowed: every replica knows at the next request', async () => {
  const parent = await replicas.mint({}, 0);
  const child = await replicas.mint({ parentId: parent.id }, 1);
  const streams = await openEverywhere(child);
  const revokedAt = Date.now();
  const revoked = await replicas.cli('keys', 'revoke', parent.id, '--json');
  expect(JSON.parse(revoked.stdout)).toMatchObject({ acknowledged: count, pending: 0 });
  await expectRefused(child, 'TOKEN_REVOKED');
  // The command line has to start before it revokes anything, so its own time does not count.
  const [record] = (await replicas.journal()).filter(({ kind, keyId }) => kind === 'key.revoked' && keyId === parent.id);
  const at = Date.parse(String(record?.time));
  expect(at).toBeGreaterThanOrEqual(revokedAt);
  for (const stream of streams) expect((await stream.ended) - at).toBeLessThan(cutMsMax);

  const deleted = await replicas.mint({}, 2);
  const open = await openEverywhere(deleted);
  expect(await replicas.done({ verb: 'DELETE', path: `/keys/${deleted.id}` }, 3)).toMatchObject({ acknowledged: count, pending: 0 });
  await expectRefused(deleted, 'TOKEN_INVALID');
  await Promise.all(open.map(({ ended }) => ended));

  const narrowed = await replicas.mint({}, 3);
  await Promise.all(replicas.all.map((replica) => replica.call(narrowed.key, nextName())));
  await replicas.done({ verb: 'PATCH', path: `/keys/${narrowed.id}`, body: { tools: ['another_tool'] } }, 0);
  await expectRefused(narrowed, 'TOOL_NOT_ALLOWED', 403);
});

it('F66 one of four replicas is frozen: it is named as pending, in time; when it goes on it refuses and cuts', async () => {
  const [frozen] = replicas.all.slice(-1);
  if (frozen === undefined) throw new Error('there are four replicas');
  const others = replicas.all.slice(0, -1);
  const key = await replicas.mint({});
  const streams = await openEverywhere(key);
  // So that it has connections on which requests can wait for it, and knows the key.
  await Promise.all(Array.from({ length: waiting }, () => frozen.call(key.key, nextName())));
  frozen.kill('SIGSTOP');
  ending.push(() => frozen.kill('SIGCONT'));
  // When it goes on it finds these before it hears of the revocation: what refuses them is the commit that would admit them.
  const early = Array.from({ length: waiting }, () => frozen.call(key.key, nextName()));

  const began = performance.now();
  const revoked = await replicas.done({ verb: 'POST', path: `/keys/${key.id}/revoke` });
  const elapsed = performance.now() - began;
  expect(revoked).toMatchObject({ acknowledged: count - 1, pending: 1, pendingReplicas: [expect.any(String)] });
  expect(elapsed).toBeLessThan(boundMsMax);
  expect(revoked['elapsedMs']).toBeLessThanOrEqual(elapsed);
  for (const replica of others) await expectRefusal(replica, key, 'TOKEN_REVOKED');
  await Promise.all(streams.slice(0, -1).map(({ ended }) => ended));

  const wokenAt = Date.now();
  frozen.kill('SIGCONT');
  const outcomes = await Promise.all(early);
  expect(outcomes.map(({ status, result }) => `${status} ${result}`)).toEqual(outcomes.map(() => '401 TOKEN_REVOKED'));
  expect(toolsSeen(upstream).filter((tool) => outcomes.some((outcome) => outcome.tool === tool))).toEqual([]);
  const [last] = streams.slice(-1);
  expect(((await last?.ended) ?? Number.NaN) - wokenAt).toBeLessThan(cutMsMax);

  const next = await replicas.mint({});
  expect(await replicas.done({ verb: 'POST', path: `/keys/${next.id}/revoke` })).toMatchObject({ acknowledged: count, pending: 0 });
});

it('a frozen replica that goes on: what no commit checks, acts of the API and notifications, is refused to dead keys all the same', async () => {
  const [frozen] = replicas.all.slice(-1);
  if (frozen === undefined) throw new Error('there are four replicas');
  const operator = await replicas.mint({ kind: 'operator', scopes: ['manage'] });
  const agent = await replicas.mint({});
  const pools = [frozen.adminUrl, frozen.mcpUrl].map((url) => new Pool(url, { connections: waiting }));
  for (const pool of pools) ending.push(() => pool.destroy());
  const [admin, mcp] = pools;
  const send = async (pool: Pool | undefined, path: string, { key }: MintedKey, body: object): Promise<number | undefined> => {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
    const answer = await pool?.request({ method: 'POST', path, headers, body: JSON.stringify(body) });
    await answer?.body.dump();
    return answer?.statusCode;
  };
  const round = () => [
    ...Array.from({ length: waiting }, () => send(admin, '/api/v1/keys/mint', operator, { name: 'key of a thief', scopes: ['read:up'] })),
    ...Array.from({ length: waiting }, () => send(mcp, '/mcp/up', agent, { jsonrpc: '2.0', method: 'notifications/roots/list_changed' })),
  ];
  // The replica knows both keys, and has connections on which requests can wait for it.
  expect(new Set(await Promise.all(round()))).toEqual(new Set([201, 202]));
  frozen.kill('SIGSTOP');
  ending.push(() => frozen.kill('SIGCONT'));
  const early = round();
  await Promise.all([operator, agent].map(({ id }) => replicas.done({ verb: 'POST', path: `/keys/${id}/revoke` })));
  frozen.kill('SIGCONT');
  expect(new Set(await Promise.all(early))).toEqual(new Set([401]));
});

function nextName(): string {
  named += 1;
  return `tool_${named}`;
}

/** A stream of the key on each replica, known to the upstream. */
async function openEverywhere(key: MintedKey): Promise<OpenStream[]> {
  const streams = await Promise.all(replicas.all.map(({ mcpUrl }) => openStream(`${mcpUrl}/mcp/up`, key.key)));
  for (const stream of streams) ending.push(() => stream.close());
  expect(streams.map(({ status }) => status)).toEqual(streams.map(() => 200));
  const passed = await Promise.all(replicas.all.map((replica) => replica.call(key.key, nextName())));
  expect(passed.map(({ result }) => result)).toEqual(streams.map(() => 'passed'));
  return streams;
}

async function expectRefused(key: MintedKey, reason: string, status = 401): Promise<void> {
  await Promise.all(replicas.all.map((replica) => expectRefusal(replica, key, reason, status)));
}

/** At its very next request, and the upstream does not see it. */
async function expectRefusal(replica: Replica, key: MintedKey, reason: string, status = 401): Promise<void> {
  const outcome = await replica.call(key.key, nextName());
  expect(outcome).toMatchObject({ status, result: reason });
  expect(toolsSeen(upstream)).not.toContain(outcome.tool);
}
