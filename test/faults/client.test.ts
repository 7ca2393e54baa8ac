import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Bench, startBench } from '../support/bench.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import { post, toolCall } from '../support/post.ts';
import { exchangeRaw, openRaw, rawPost } from '../support/raw-http.ts';

/** Between clients and the gateway. */
let bench: Bench;
let way: FaultProxy;
let url: string;

beforeAll(async () => {
  bench = await startBench({
    config: { limits: { headersTimeoutMs: 1_000, bodyTimeoutMs: 500, upstreamTimeoutMs: 1_000, holdMsMax: 5_000 } },
  });
  way = await startFaultProxy(Number(new URL(bench.url).port));
  url = `http://127.0.0.1:${way.port}/mcp/up`;
});
afterAll(async () => {
  await way.close();
  await bench.close();
});
afterEach(async () => {
  way.toServer(undefined);
  way.toClient(undefined);
  way.resetAll();
  await bench.alive();
  const { live, load } = bench.gate.gateway.composed;
  await vi.waitFor(() =>
    expect({ running: live.size, requests: load.requests, bytes: load.bodyBytes }).toEqual({ running: 0, requests: 0, bytes: 0 }),
  );
});

const body = (id: string) => JSON.stringify(toolCall('echo', { text: 'x'.repeat(500) }, id));
const request = (id: string) => rawPost({ lines: [`Authorization: Bearer ${bench.key}`], body: body(id) });

describe('between a client and the gateway', () => {
  it('F40 delayed: the call passes, once', async () => {
    way.toServer({ kind: 'delay', ms: 80 });
    way.toClient({ kind: 'delay', ms: 80 });
    const before = bench.upstream.requests.length;
    const answer = await post(url, { key: bench.key, body: toolCall('echo', {}, 'late') });
    expect({ status: answer.status, id: answer.json.id }).toEqual({ status: 200, id: 'late' });
    expect(bench.upstream.requests.length - before).toBe(1);
  });

  it.each([
    ['F41 cut', 'cut'],
    ['F42 reset', 'reset'],
  ] as const)('%s in the middle of a body: nothing is sent on, nothing is charged', async (_name, kind) => {
    const [before, intents] = [bench.upstream.requests.length, (await bench.gate.journal('call.intent')).length];
    way.toServer({ kind, afterBytes: request('half').length - 100 });
    const { answers } = await exchangeRaw(url, request('half'), { untilClosed: true });
    expect(answers).toEqual([]);
    expect(bench.upstream.requests.length).toBe(before);
    expect((await bench.gate.journal('call.intent')).length).toBe(intents);
  });

  it('F43 ended in the middle of a body: refused or closed, and nothing is sent on', async () => {
    const before = bench.upstream.requests.length;
    way.toServer({ kind: 'truncate', afterBytes: request('half').length - 100 });
    const { answers, closed } = await exchangeRaw(url, request('half'), { untilClosed: true });
    expect(answers.filter(({ status }) => status < 400)).toEqual([]);
    expect(closed).toBe(true);
    expect(bench.upstream.requests.length).toBe(before);
  });

  it('F44 half-open in the middle of a body: cut when the time for a body is over', async () => {
    const before = bench.upstream.requests.length;
    const socket = openRaw(url);
    socket.on('error', () => undefined);
    socket.write(request('half').slice(0, -100));
    await vi.waitFor(() => expect(bench.gate.gateway.composed.load.bodyBytes).toBeGreaterThan(0));
    way.toServer({ kind: 'swallow' });
    socket.write(request('half').slice(-100));
    await once(socket.resume(), 'close');
    expect(bench.upstream.requests.length).toBe(before);
  }, 15_000);

  it('F45 a request that drips is cut at its limit, and others do not wait for it', async () => {
    way.toServer({ kind: 'drip', bytes: 1, everyMs: 50 });
    const before = bench.upstream.requests.length;
    const dripping = exchangeRaw(url, request('slow'), { untilClosed: true, msMax: 12_000 });
    await bench.alive();
    const { answers, closed } = await dripping;
    expect(closed).toBe(true);
    expect(answers.map(({ status }) => status)).toEqual([408]);
    expect(bench.upstream.requests.length).toBe(before + 1);
  }, 20_000);

  it('F46 the answer is lost on its way: the call was made and is charged once, and no second one follows', async () => {
    way.toClient({ kind: 'reset', afterBytes: 0 });
    const before = bench.upstream.requests.length;
    const { answers, closed } = await exchangeRaw(url, request('lost'), { untilClosed: true });
    expect({ answers, closed }).toEqual({ answers: [], closed: true });
    await bench.settled();
    expect(bench.upstream.requests.length).toBe(before + 1);
    expect((await bench.gate.journal('call.outcome')).at(-1)).toMatchObject({ charged: '0.01' });
  });

  it('F47 a request that arrives twice is two calls, and each is on record and charged', async () => {
    way.toServer({ kind: 'duplicate' });
    const [before, intents] = [bench.upstream.requests.length, (await bench.gate.journal('call.intent')).length];
    const { answers } = await exchangeRaw(url, request('twice'), { answers: 2 });
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    await bench.settled();
    expect(bench.upstream.requests.length - before).toBe(2);
    expect((await bench.gate.journal('call.intent')).length - intents).toBe(2);
  });
});
