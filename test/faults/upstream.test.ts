import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { JournalRecord } from '../../src/domain/record.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import { startTestGateway, type TestGateway, upstreamConfig } from '../support/gateway.ts';
import { hang, only } from '../support/misbehaviours.ts';
import { type Posted, post, toolCall } from '../support/post.ts';
import { type RecordingUpstream, startRecordingUpstream } from '../support/recording-upstream.ts';

/** Between the gateway and two servers, one of which answers with events. */
let plain: { upstream: RecordingUpstream; way: FaultProxy };
let events: { upstream: RecordingUpstream; way: FaultProxy };
let gate: TestGateway;
let key: string;
const upstreamTimeoutMs = 600;

beforeAll(async () => {
  const start = async (answer: 'json' | 'sse') => {
    const upstream = await startRecordingUpstream({ sessions: false, answer });
    return { upstream, way: await startFaultProxy(upstream.port) };
  };
  plain = await start('json');
  events = await start('sse');
  const at = ({ way }: { way: FaultProxy }) => upstreamConfig(`http://127.0.0.1:${way.port}/mcp`);
  const limits = { upstreamTimeoutMs, holdMsMax: 5_000, heartbeatMs: 200 };
  gate = await startTestGateway({ upstreams: { plain: at(plain), events: at(events) }, limits });
  ({ key } = await gate.mint({ scopes: ['manage'], budgets: [{ amount: '1000', per: 'total' }] }));
});
afterAll(async () => {
  await gate.close();
  for (const { way, upstream } of [plain, events]) {
    await way.close();
    await upstream.close();
  }
});
afterEach(async () => {
  for (const { way, upstream } of [plain, events]) {
    way.toServer(undefined);
    way.toClient(undefined);
    way.refuse(false);
    way.resetAll();
    upstream.script(undefined);
  }
  // Whatever it was: the next call passes, and nothing is held.
  for (const name of ['plain', 'events']) expect((await call(name)).answer.status, `the next call of ${name}`).toBe(200);
});

interface Called {
  readonly answer: { status: number; text: string; json: Posted };
  readonly outcome: JournalRecord;
  /** Requests that the server received whole because of it. */
  readonly seen: number;
}

async function call(name: string, id = 'own'): Promise<Called> {
  const { upstream } = name === 'plain' ? plain : events;
  const before = upstream.requests.length;
  const answer = await post(`${gate.url}/mcp/${name}`, { key, body: toolCall('tool_0', {}, id) });
  const outcomes = await gate.journalled('call.outcome', (await gate.journal('call.intent')).length);
  const outcome = outcomes.at(-1);
  if (!outcome) throw new Error('no outcome is on record');
  return { answer, outcome, seen: upstream.requests.length - before };
}

describe('between the gateway and a server', () => {
  it('F20 delayed: the call passes, later', async () => {
    plain.way.toServer({ kind: 'delay', ms: 100 });
    plain.way.toClient({ kind: 'delay', ms: 100 });
    const began = performance.now();
    const { answer, outcome, seen } = await call('plain');
    expect(performance.now() - began).toBeGreaterThan(190);
    expect({ status: answer.status, seen, charged: outcome.charged }).toEqual({ status: 200, seen: 1, charged: '0.01' });
  });

  it('F21 connections closed at once: 502, tried once, charged as what may have been sent', async () => {
    plain.way.resetAll();
    plain.way.refuse(true);
    const before = plain.way.accepted();
    const { answer, outcome, seen } = await call('plain');
    expect(answer.status).toBe(502);
    expect(answer.json).toMatchObject({ id: 'own', error: { data: { reason: 'UPSTREAM_FAILED' } } });
    expect(seen).toBe(0);
    expect(plain.way.accepted() - before).toBe(1);
    expect(['reset', 'connect']).toContain(outcome.status);
  });

  it('F22 the request is swallowed: 504 in time, the server saw nothing, the call is charged as unknown', async () => {
    plain.way.toServer({ kind: 'swallow' });
    const began = performance.now();
    const { answer, outcome, seen } = await call('plain');
    expect(performance.now() - began).toBeLessThan(upstreamTimeoutMs + 2_000);
    expect(answer.json).toMatchObject({ id: 'own', error: { data: { reason: 'UPSTREAM_TIMEOUT', outcome: 'unknown' } } });
    expect({ seen, status: outcome.status, charged: outcome.charged }).toEqual({ seen: 0, status: 'timeout', charged: '0.01' });
  });

  it('F23 the answer is swallowed: 504, one attempt, charged', async () => {
    plain.way.toClient({ kind: 'swallow' });
    const { answer, outcome, seen } = await call('plain');
    expect(answer.json).toMatchObject({ id: 'own', error: { data: { reason: 'UPSTREAM_TIMEOUT', outcome: 'unknown' } } });
    expect({ seen, status: outcome.status, charged: outcome.charged }).toEqual({ seen: 1, status: 'timeout', charged: '0.01' });
  });

  it.each([
    ['F24 reset before the answer', { kind: 'reset', afterBytes: 0 }],
    ['F25 cut in the middle of the head', { kind: 'cut', afterBytes: 40 }],
    ['F25 cut in the middle of the body', { kind: 'cut', afterBytes: 220 }],
    ['F26 ended in the middle of the body', { kind: 'truncate', afterBytes: 220 }],
  ] as const)('%s: 502 with the own id, one attempt, charged, nothing of the answer passes', async (_name, fault) => {
    plain.way.toClient(fault);
    const { answer, outcome, seen } = await call('plain');
    expect(answer.status).toBe(502);
    expect(answer.json).toMatchObject({ id: 'own', error: { data: { reason: 'UPSTREAM_FAILED', outcome: 'unknown' } } });
    expect(answer.text).not.toContain('content');
    expect({ seen, charged: outcome.charged }).toEqual({ seen: 1, charged: '0.01' });
  });

  it('F27 the answer comes twice: it is passed once, and the next caller gets its own', async () => {
    plain.way.toClient({ kind: 'duplicate' });
    const first = await call('plain', 'first');
    expect(first.answer.json).toMatchObject({ id: 'first', result: {} });
    plain.way.toClient(undefined);
    const next = await call('plain', 'next');
    expect(next.answer.json).toMatchObject({ id: 'next', result: {} });
  });

  it('F28 a server that drips holds nobody else: calls of the other one pass meanwhile', async () => {
    plain.way.toClient({ kind: 'drip', bytes: 1, everyMs: 20 });
    const slow = call('plain', 'slow');
    const before = performance.now();
    const others = await Promise.all([1, 2, 3, 4].map((id) => post(`${gate.url}/mcp/events`, { key, body: toolCall('tool_0', {}, id) })));
    expect(others.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(performance.now() - before).toBeLessThan(upstreamTimeoutMs + 4_000);
    const { answer } = await slow;
    expect([200, 504]).toContain(answer.status);
    expect(answer.json.id).toBe('slow');
  });

  it('F29 an event stream reset in the middle of an event: the client gets an error with its own id and no half of anything', async () => {
    events.way.toClient({ kind: 'reset', afterBytes: 250 });
    const { answer, outcome, seen } = await call('events');
    expect(answer.text).toContain('"id":"own"');
    expect(answer.text).toContain('UPSTREAM_FAILED');
    expect(answer.text).not.toContain('"result"');
    expect({ seen, charged: outcome.charged }).toEqual({ seen: 1, charged: '0.01' });
  });

  it('F30 an event stream that goes silent in the middle of an event: ended as too late, charged', async () => {
    events.way.toClient({ kind: 'truncate', afterBytes: 250 });
    const { answer, outcome } = await call('events');
    expect(answer.text).not.toContain('"result"');
    expect(answer.text).toContain('UPSTREAM_');
    expect(outcome.charged).toBe('0.01');
  });

  it('F31 a listening stream whose server resets it ends, so that its client opens another', async () => {
    const leaving = new AbortController();
    const stream = await fetch(`${gate.url}/mcp/plain`, {
      headers: { accept: 'text/event-stream', authorization: `Bearer ${key}` },
      signal: leaving.signal,
    });
    expect(stream.status).toBe(200);
    plain.way.resetAll();
    // It ends by itself: nobody would ever speak on it again.
    for await (const _chunk of stream.body ?? []);
    expect(gate.gateway.composed.live.size).toBe(0);
    leaving.abort();
  });

  it('F32 a client that leaves while its server does not answer: the attempt is given up and settled', async () => {
    plain.upstream.script(only('tools/call', hang));
    const leaving = new AbortController();
    const before = plain.upstream.requests.length;
    const gone = fetch(`${gate.url}/mcp/plain`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', authorization: `Bearer ${key}` },
      body: JSON.stringify(toolCall('tool_0', {}, 'gone')),
      signal: leaving.signal,
    }).catch(() => undefined);
    await plain.upstream.received(before + 1);
    leaving.abort();
    await gone;
    const outcomes = await gate.journalled('call.outcome', (await gate.journal('call.intent')).length);
    expect(outcomes.at(-1)).toMatchObject({ status: 'client-gone', charged: '0.01' });
  });
});
