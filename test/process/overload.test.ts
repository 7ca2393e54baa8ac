import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { upstreamConfig } from '../support/gateway.ts';
import { post, toolCall } from '../support/post.ts';
import { exchangeRaw, openRaw, rawPost } from '../support/raw-http.ts';
import { type RecordingUpstream, startRecordingUpstream } from '../support/recording-upstream.ts';
import { eventually, type Place, preparePlace, type Served } from './served.ts';
import { openStream } from './stream.ts';

const blocking = fileURLToPath(new URL('../support/block-loop.mjs', import.meta.url));

const closers: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Stand {
  readonly place: Place;
  readonly gate: Served;
  readonly upstream: RecordingUpstream;
  readonly key: string;
  readonly url: string;
}

async function stand(limits: Record<string, unknown>, env: Record<string, string> = {}): Promise<Stand> {
  const upstream = await startRecordingUpstream({ sessions: false });
  closers.push(() => upstream.close());
  const place = await preparePlace({ upstreams: { up: upstreamConfig(upstream.url) }, limits });
  closers.push(() => place.remove());
  const { key } = await place.mint({ scopes: ['read:up'] });
  const gate = await place.serve({ env });
  return { place, gate, upstream, key, url: `${gate.mcpUrl}/mcp/up` };
}

const call = ({ url, key }: Stand, id: string) => post(url, { key, body: toolCall('tool_0', {}, id) });

async function metric({ gate }: Stand, name: string): Promise<number> {
  const text = await (await fetch(`${gate.adminUrl}/metrics`)).text();
  return Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1]);
}

/** Ends the gateway, which writes what it has counted, and gives the sum of what it refused for want of room. */
async function countedOverload({ gate, place }: Stand): Promise<number> {
  gate.kill();
  expect((await gate.exited).code).toBe(0);
  const counted = (await place.journal('refusals.counted')).filter(({ reason }) => reason === 'OVERLOADED');
  return counted.reduce((sum, { count }) => sum + Number(count), 0);
}

describe('too many requests', () => {
  it('what is beyond is refused at once and counted, what was admitted is answered, and the next call passes', async () => {
    const here = await stand({ requestsMax: 20 });
    const released = Promise.withResolvers<void>();
    here.upstream.script(async (_request, _response, ordinary) => {
      await released.promise;
      await ordinary();
    });
    const admitted = Array.from({ length: 20 }, (_, at) => call(here, `held-${at}`));
    await here.upstream.received(20);
    expect(await metric(here, 'keygate_requests_under_way')).toBe(20);
    const beyond = await Promise.all(Array.from({ length: 100 }, (_, at) => call(here, `beyond-${at}`)));
    for (const { status, headers, json } of beyond) {
      expect(status).toBe(503);
      expect(headers.get('retry-after')).toBe('1');
      expect(json).toMatchObject({ id: null, error: { code: -31503, data: { reason: 'OVERLOADED', retryAfterMs: 1_000 } } });
    }
    expect(here.upstream.requests.length).toBe(20);
    released.resolve();
    expect((await Promise.all(admitted)).map(({ status }) => status)).toEqual(admitted.map(() => 200));
    expect((await call(here, 'after')).status).toBe(200);
    expect(await countedOverload(here)).toBe(100);
    expect((await here.place.journal('call.refused')).length).toBe(0);
    expect((await here.place.journal('call.intent')).length).toBe(21);
  });

  it('streams take no places of calls', async () => {
    const here = await stand({ requestsMax: 2, streamsPerAddressMax: 4 });
    const open = () => openStream(here.url, here.key);
    for (let nth = 0; nth < 4; nth += 1) {
      const stream = await open();
      closers.push(() => stream.close());
      expect(stream.status).toBe(200);
    }
    expect(await metric(here, 'keygate_requests_under_way')).toBe(0);
    expect((await call(here, 'beside')).status).toBe(200);
    expect((await open()).status, 'one stream more than its address may have').toBe(503);
  });
});

describe('too much at once', () => {
  it('bodies together are bounded: who sends beyond it is refused, and what was kept of others is free when they leave', async () => {
    const here = await stand({ bodiesBytesMax: '64KiB' });
    const head = { lines: [`Authorization: Bearer ${here.key}`, 'Content-Length: 50000'] };
    const first = openRaw(here.gate.mcpUrl);
    closers.push(() => first.destroy());
    first.write(rawPost({ ...head, body: ' '.repeat(40_000) }));
    await eventually('the first body is kept', async () =>
      (await metric(here, 'keygate_request_body_bytes')) === 40_000 ? true : undefined,
    );
    const { answers, closed } = await exchangeRaw(here.gate.mcpUrl, rawPost({ ...head, body: ' '.repeat(40_000) }), { untilClosed: true });
    expect(answers.map(({ status, text }) => `${status} ${text.includes('OVERLOADED')}`)).toEqual(['503 true']);
    expect(closed).toBe(true);
    expect((await call(here, 'small')).status).toBe(200);
    first.destroy();
    await eventually('nothing is kept', async () => ((await metric(here, 'keygate_request_body_bytes')) === 0 ? true : undefined));
  });
});

describe('too many connections', () => {
  it('of one address: one more is closed and counted, others are served', async () => {
    const here = await stand({ connectionsPerAddressMax: 3 });
    for (let nth = 0; nth < 3; nth += 1) {
      const idle = openRaw(here.gate.mcpUrl);
      closers.push(() => idle.destroy());
      await once(idle, 'connect');
    }
    const { answers, closed } = await exchangeRaw(here.gate.mcpUrl, 'GET /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n', { untilClosed: true });
    expect({ answers, closed }).toEqual({ answers: [], closed: true });
    expect(await metric(here, 'keygate_connections_refused_total')).toBe(1);
    expect((await fetch(`${here.gate.adminUrl}/readyz`)).status).toBe(200);
    expect(await countedOverload(here)).toBe(1);
  });
});

describe('A55: an event loop that is blocked for two seconds', () => {
  it('F67 is told by readiness and by the metric, and by nothing that would have it restarted', async () => {
    const here = await stand({}, { NODE_OPTIONS: `--import=${blocking}` });
    expect((await fetch(`${here.gate.adminUrl}/readyz`)).status).toBe(200);
    here.gate.kill('SIGUSR2');
    const ready = await eventually('not ready', async () => {
      const answer = await fetch(`${here.gate.adminUrl}/readyz`);
      return answer.status === 503 ? ((await answer.json()) as { reason: string }) : undefined;
    });
    expect(ready.reason).toMatch(/^the event loop was blocked for \d{4} ms$/);
    expect((await fetch(`${here.gate.adminUrl}/livez`)).status).toBe(200);
    expect(await metric(here, 'keygate_event_loop_lag_seconds')).toBeGreaterThan(1.5);
    // One long task is no overload: whoever comes now is served.
    expect((await call(here, 'after')).status).toBe(200);
    await eventually('ready again', async () => ((await fetch(`${here.gate.adminUrl}/readyz`)).status === 200 ? true : undefined), 10_000);
  });
});
