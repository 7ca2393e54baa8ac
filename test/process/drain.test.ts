import { once } from 'node:events';
import { request } from 'node:http';
import { afterEach, expect, it } from 'vitest';
import { upstreamConfig } from '../support/gateway.ts';
import { hang, only } from '../support/misbehaviours.ts';
import { post, toolCall } from '../support/post.ts';
import { type RecordingUpstream, startRecordingUpstream } from '../support/recording-upstream.ts';
import { type Place, preparePlace, type Served } from './served.ts';
import { openStream } from './stream.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Stage {
  readonly upstream: RecordingUpstream;
  readonly place: Place;
  readonly gate: Served;
  readonly key: string;
  readonly keyId: string;
  readonly url: string;
}

async function prepare(limits: Record<string, unknown> = {}): Promise<Stage> {
  const upstream = await startRecordingUpstream({ sessions: false });
  closers.push(() => upstream.close());
  const place = await preparePlace({ upstreams: { up: upstreamConfig(upstream.url) }, limits });
  closers.push(() => place.remove());
  const { key, id } = await place.mint({ scopes: ['read:up'], budgets: [{ amount: '1', per: 'total' }] });
  const gate = await place.serve();
  return { upstream, place, gate, key, keyId: id, url: `${gate.mcpUrl}/mcp/up` };
}

it('SIGTERM: not ready at once, new requests refused, the running call answered and charged, streams ended, journal signed', async () => {
  const { upstream, place, gate, key, keyId, url } = await prepare();
  const release = Promise.withResolvers<void>();
  upstream.script(
    only('tools/call', async (_request, _response, ordinary) => {
      await release.promise;
      await ordinary();
    }),
  );
  const stream = await openStream(url, key);
  expect(stream.status).toBe(200);
  const slow = post(url, { key, body: toolCall('slow', {}, 'slow-call') });
  await upstream.received(1, ({ body }) => body.includes('slow-call'));

  gate.kill();
  await gate.printed(/"draining"/);
  await stream.ended;
  const ready = await fetch(`${gate.adminUrl}/readyz`);
  expect(ready.status).toBe(503);
  expect(await ready.json()).toMatchObject({ reason: 'draining' });
  expect((await fetch(`${gate.adminUrl}/livez`)).status).toBe(200);
  for (const body of [toolCall('other', {}, 7), { jsonrpc: '2.0', id: 7, method: 'initialize' }]) {
    const refused = await post(url, { key, body });
    expect(refused.status).toBe(503);
    expect(refused.json.error?.data).toMatchObject({ reason: 'DRAINING' });
  }
  release.resolve();
  expect((await slow).json).toMatchObject({ id: 'slow-call', result: {} });
  expect(await gate.exited).toEqual({ code: 0, signal: null });
  expect(upstream.calls('tools/call').length).toBe(1);

  const usage = await place.cli('usage', keyId, '--json');
  expect(JSON.parse(usage.stdout)).toMatchObject({ limits: [{ spent: '0.01', held: '0' }] });
  await place.open(async ({ journal }) => {
    const seq = await journal.head();
    const [last] = await journal.read({ after: seq - 1, limit: 1 });
    const { hash } = JSON.parse(last?.text ?? '{}') as { hash?: string };
    expect((await journal.checkpoints()).at(-1)).toMatchObject({ seq, hash });
  });
  expect(await place.cli('journal', 'verify')).toMatchObject({ code: 0 });
});

it('SIGTERM with upstreams that hang ends when limits.drainMsMax has passed, and what was sent is charged', async () => {
  const drainMsMax = 500;
  const { upstream, place, gate, key, keyId, url } = await prepare({ drainMsMax });
  upstream.script(hang);
  const call = post(url, { key, body: toolCall('hanging', {}, 1) });
  // A notification holds no reservation, and must not hold up the drain either.
  const notification = post(url, { key, body: { jsonrpc: '2.0', method: 'notifications/initialized' } }).catch(() => 'cut');
  await upstream.received(2);
  const asked = performance.now();
  gate.kill();
  expect((await call).json.error?.data).toMatchObject({ outcome: 'unknown' });
  await notification;
  expect(await gate.exited).toEqual({ code: 0, signal: null });
  expect(performance.now() - asked).toBeGreaterThan(drainMsMax);
  expect(performance.now() - asked).toBeLessThan(drainMsMax + 3_000);

  const usage = await place.cli('usage', keyId, '--json');
  expect(JSON.parse(usage.stdout)).toMatchObject({ limits: [{ spent: '0.01', held: '0' }] });
  expect(await place.cli('journal', 'verify')).toMatchObject({ code: 0 });
});

it('a client that never ends its request does not hold up the drain', async () => {
  const { gate, key, url } = await prepare({ drainMsMax: 500 });
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
  const sending = request(url, { method: 'POST', headers: { ...headers, expect: '100-continue', 'content-length': 100 } });
  const unfinished = new Promise((resolve) => sending.once('error', () => resolve('cut')).once('response', resolve));
  sending.flushHeaders();
  await once(sending, 'continue'); // the gateway waits for the body now
  sending.write('{"jsonrpc":"2.0",');
  const asked = performance.now();
  gate.kill();
  expect(await gate.exited).toEqual({ code: 0, signal: null });
  expect(performance.now() - asked).toBeLessThan(3_500);
  expect(await unfinished).toBe('cut');
});

it('a second SIGTERM does not wait', async () => {
  const { upstream, place, gate, key, url } = await prepare();
  upstream.script(hang);
  const call = post(url, { key, body: toolCall('hanging', {}, 1) }).catch(() => 'cut');
  await upstream.received(1);
  gate.kill();
  await gate.printed(/"draining"/);
  gate.kill();
  expect(await gate.exited).toEqual({ code: 1, signal: null });
  expect(await call).toBe('cut');
  expect(await place.cli('journal', 'verify')).toMatchObject({ code: 0 });
});
