import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createDuplexUpstream, type DuplexUpstream } from '../../../../src/adapters/upstream/duplex/duplex-upstream.ts';
import type { LinkListener } from '../../../../src/adapters/upstream/duplex/link.ts';
import { readMessage } from '../../../../src/adapters/upstream/duplex/read-message.ts';
import { Denial } from '../../../../src/domain/denial.ts';
import type { UpstreamExchange, UpstreamRequest } from '../../../../src/ports/upstreams.ts';
import { messagesOf } from '../../../support/event-text.ts';

interface FakeLink {
  readonly sent: { id?: number; method?: string; params?: Record<string, unknown> }[];
  readonly listener: LinkListener;
  closed: boolean;
  /** Says something as the other side would. */
  say(message: object): void;
}

interface Answer {
  status: number | undefined;
  headers: Record<string, unknown>;
  text: string;
  end: string | undefined;
  exchange: UpstreamExchange | undefined;
}

let links: FakeLink[];
let upstream: DuplexUpstream;
let ids: number;

function prepare(shared: boolean, limits = {}): void {
  links = [];
  ids = 0;
  upstream = createDuplexUpstream({
    shared,
    limits: { linksMax: 3, linksPerKeyMax: 2, sessionsMax: 2, idleMs: 1_000, startTimeoutMs: 500, ...limits },
    clock: { monotonic: () => performance.now() },
    newId() {
      ids += 1;
      return `session-${ids}`;
    },
    open(listener) {
      const link: FakeLink = {
        sent: [],
        listener,
        closed: false,
        say(message) {
          const scanned = readMessage(Buffer.from(JSON.stringify({ jsonrpc: '2.0', ...message })));
          if (!scanned.ok) throw new Error(scanned.detail);
          listener.onMessage(scanned.message);
        },
      };
      links.push(link);
      return {
        send(bytes, _headers, taken) {
          link.sent.push(JSON.parse(bytes.toString()));
          taken();
        },
        async close() {
          link.closed = true;
        },
        kill: () => undefined,
      };
    },
  });
}

function send(message: object | undefined, more: Partial<UpstreamRequest> = {}): Answer {
  const answer: Answer = { status: undefined, headers: {}, text: '', end: undefined, exchange: undefined };
  const body = message && Buffer.from(JSON.stringify({ jsonrpc: '2.0', ...message }));
  const scanned = body && readMessage(body);
  const request: UpstreamRequest = {
    ...{
      upstream: 'up',
      method: 'POST',
      headers: [],
      era: 'session',
      keyId: 'a',
      headTimeoutMs: 2_000,
      silenceTimeoutMs: 1_000,
      long: false,
    },
    ...(body && { body }),
    ...(scanned?.ok && { message: scanned.message }),
    ...more,
  };
  answer.exchange = upstream.dispatch(request, {
    onHead: (status, headers) => Object.assign(answer, { status, headers }),
    onChunk(chunk) {
      answer.text += chunk.toString();
      return true;
    },
    onEnd: () => Object.assign(answer, { end: 'end' }),
    onFailure: ({ kind, sent }) => Object.assign(answer, { end: `${kind} ${sent ? 'sent' : 'not sent'}` }),
  });
  return answer;
}

const initialize = { id: 0, method: 'initialize', params: { protocolVersion: '2025-11-25' } };
const call = (id: string | number) => ({ id, method: 'tools/call', params: { name: 't' } });

/** Begins a session of its own. */
function begin(keyId = 'a'): { session: string; link: FakeLink } {
  send(initialize, { keyId });
  const link = links.at(-1);
  link?.say({ id: 1, result: { protocolVersion: '2025-11-25' } });
  if (!link) throw new Error('no link');
  return { session: `session-${ids}`, link };
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(async () => {
  await upstream.close();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

describe('a link for each session', () => {
  beforeEach(() => prepare(false, { idleMs: 600_000 }));

  test('initialize opens it, and the answer names the session', () => {
    const answer = send(initialize);
    links[0]?.say({ id: 1, result: { protocolVersion: '2025-11-25' } });
    expect(answer).toMatchObject({ status: 200, headers: { 'mcp-session-id': 'session-1' }, end: 'end' });
    expect(JSON.parse(answer.text)).toMatchObject({ id: 0 });
  });

  test('a refused initialize, and one whose client left, leave nothing', async () => {
    send(initialize);
    links[0]?.say({ id: 1, error: { code: -32602, message: 'no' } });
    const left = send(initialize);
    left.exchange?.abort();
    await vi.runAllTicks();
    expect(links.map(({ closed }) => closed)).toEqual([true, true]);
    expect(left.end).toBe('aborted sent');
  });

  test('is left alone after initialize came to nothing, for its key alone', async () => {
    send(initialize);
    await vi.advanceTimersByTimeAsync(500);
    expect(links[0]?.closed).toBe(true);
    const refusal = catching(() => send(initialize));
    expect(refusal).toMatchObject({ reason: 'UPSTREAM_UNAVAILABLE' });
    expect(refusal?.facts.retryAfterMs).toBe(1_000);
    begin('b');
    await vi.advanceTimersByTimeAsync(1_000);
    begin('a');
  });

  test('there are only so many, for one key and for all', () => {
    begin('a');
    begin('a');
    expect(catching(() => send(initialize))).toMatchObject({ reason: 'OVERLOADED' });
    begin('b');
    expect(catching(() => send(initialize, { keyId: 'c' }))).toMatchObject({ reason: 'OVERLOADED' });
  });

  test('of a key that has all it may have, the session that was left longest gives way, and none that is in use', async () => {
    const [first, second] = [begin(), begin()];
    send(undefined, { method: 'GET', session: first.session });
    const still = send({ ...call(1) }, { session: second.session, headTimeoutMs: 60_000 });
    await vi.advanceTimersByTimeAsync(10_000);
    expect(catching(() => send(initialize))).toMatchObject({ reason: 'OVERLOADED' });
    second.link.say({ id: 2, result: {} });
    expect(still.end).toBe('end');
    await vi.advanceTimersByTimeAsync(9_999);
    expect(catching(() => send(initialize))).toMatchObject({ reason: 'OVERLOADED' });
    await vi.advanceTimersByTimeAsync(1);
    begin();
    expect(links.map(({ closed }) => closed)).toEqual([false, true, false]);
  });

  test('silence after progress is a timeout too, and is told', async () => {
    const { session, link } = begin();
    const answer = send({ ...call(5), params: { name: 't', _meta: { progressToken: 'p' } } }, { session });
    await vi.advanceTimersByTimeAsync(1_900);
    link.say({ method: 'notifications/progress', params: { progressToken: 2, progress: 1 } });
    await vi.advanceTimersByTimeAsync(900);
    expect(answer.end).toBeUndefined();
    await vi.advanceTimersByTimeAsync(100);
    expect(answer.end).toBe('timeout sent');
    expect(link.sent.at(-1)).toMatchObject({ method: 'notifications/cancelled', params: { requestId: 2 } });
    link.say({ id: 2, result: {} });
  });

  test('a client that leaves cancels nothing in the session era, and everything in the other', () => {
    const { session, link } = begin();
    send(call(5), { session }).exchange?.abort();
    expect(link.sent.at(-1)).toMatchObject({ method: 'tools/call' });
    link.say({ id: 2, result: {} });
    send(call(5), { era: 'stateless' }).exchange?.abort();
    expect(links.at(-1)?.sent.at(-1)).toMatchObject({ method: 'notifications/cancelled', params: { requestId: 1 } });
  });

  test('a session is unknown to other keys, and after its end to all', async () => {
    const { session } = begin();
    const others = [
      send(call(1), { session, keyId: 'b' }),
      send(undefined, { method: 'GET', session, keyId: 'b' }),
      send(call(1), { session: 'x' }),
    ];
    const ended = send(undefined, { method: 'DELETE', session });
    const after = send(call(1), { session });
    await Promise.resolve();
    expect([...others, ended, after].map(({ status }) => status)).toEqual([404, 404, 404, 200, 404]);
  });

  test('without a session there is nothing to listen to, nothing to end, and nothing to call', async () => {
    const answers = [send(undefined, { method: 'GET' }), send(undefined, { method: 'DELETE' })];
    await Promise.resolve();
    expect(answers.map(({ status }) => status)).toEqual([405, 405]);
    expect(catching(() => send(call(1)))).toMatchObject({ reason: 'INVALID_MESSAGE' });
    expect(links.length).toBe(0);
  });

  test('of what waits for a stream the oldest goes first, and a request among it is answered', async () => {
    const { session, link } = begin();
    link.say({ id: 'asked', method: 'roots/list' });
    for (let at = 0; at < 256; at += 1) link.say({ method: 'notifications/message', params: { level: 'info', data: at } });
    expect(link.sent.at(-1)).toMatchObject({ id: 'asked', error: { code: -31503 } });
    const stream = send(undefined, { method: 'GET', session });
    await Promise.resolve();
    const data = messagesOf(stream.text).map(({ params }) => (params as { data: number }).data);
    expect([data.length, data[0], data.at(-1)]).toEqual([256, 0, 255]);
  });
});

describe('callers without sessions', () => {
  beforeEach(() => prepare(false));

  test('a subscription has its own stream, under the id that its client chose', () => {
    const key = 'io.modelcontextprotocol/subscriptionId';
    const listen = (id: string) =>
      send({ id, method: 'subscriptions/listen', params: { notifications: {} } }, { era: 'stateless', silenceTimeoutMs: 0 });
    const [first, second] = [listen('mine'), listen('mine')];
    links[0]?.say({ method: 'notifications/subscriptions/acknowledged', params: { _meta: { [key]: 1 } } });
    links[0]?.say({ method: 'notifications/tools/list_changed', params: { _meta: { [key]: 2 } } });
    links[0]?.say({ id: 1, result: { resultType: 'complete', _meta: { [key]: 1 } } });
    expect(messagesOf(first.text)).toEqual([
      { jsonrpc: '2.0', method: 'notifications/subscriptions/acknowledged', params: { _meta: { [key]: 'mine' } } },
      { jsonrpc: '2.0', id: 'mine', result: { resultType: 'complete', _meta: { [key]: 'mine' } } },
    ]);
    expect(messagesOf(second.text)).toMatchObject([{ method: 'notifications/tools/list_changed', params: { _meta: { [key]: 'mine' } } }]);
    expect(links.length).toBe(1);
  });

  test('are asked nothing, and a notification alone starts nothing', async () => {
    const notified = send({ method: 'notifications/cancelled', params: { requestId: 1 } }, { era: 'stateless' });
    await Promise.resolve();
    expect([notified.status, links.length]).toEqual([202, 0]);
    send(call(1), { era: 'stateless' });
    links[0]?.say({ id: 'x', method: 'sampling/createMessage' });
    expect(links[0]?.sent.at(-1)).toMatchObject({ id: 'x', error: { code: -32601 } });
    links[0]?.say({ id: 'y', method: 'ping' });
    expect(links[0]?.sent.at(-1)).toMatchObject({ id: 'y', result: {} });
  });

  test('share nothing across keys, and a link that nobody uses is closed', async () => {
    send(call(1), { era: 'stateless' });
    send(call(1), { era: 'stateless', keyId: 'b' });
    expect(links.length).toBe(2);
    for (const link of links) link.say({ id: 1, result: {} });
    await vi.advanceTimersByTimeAsync(1_000);
    expect(links.map(({ closed }) => closed)).toEqual([true, true]);
  });
});

describe('one link for all', () => {
  beforeEach(() => prepare(true));

  const beginShared = async (keyId: string): Promise<Answer> => {
    const answer = send(initialize, { keyId });
    links[0]?.say({ id: 1, result: { protocolVersion: '2025-11-25' } });
    await vi.advanceTimersByTimeAsync(0);
    return answer;
  };

  test('sessions of all keys are on it, up to their number, and it is kept a while without any', async () => {
    await beginShared('a');
    await beginShared('b');
    expect([links.length, links[0]?.sent.map(({ method }) => method)]).toEqual([1, ['initialize', 'notifications/initialized']]);
    expect(catching(() => send(initialize, { keyId: 'c' }))).toMatchObject({ reason: 'OVERLOADED' });
    await vi.advanceTimersByTimeAsync(1_000);
    expect(links[0]?.closed).toBe(false);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(links[0]?.closed).toBe(true);
  });

  test('a link that does not let the gateway initialize: nothing was sent, and it is left alone', async () => {
    const answers = [send(initialize), send(initialize, { keyId: 'b' })];
    links[0]?.say({ id: 1, error: { code: -32600, message: 'no' } });
    await vi.advanceTimersByTimeAsync(0);
    expect(answers.map(({ end }) => end)).toEqual(['connect not sent', 'connect not sent']);
    expect(catching(() => send(initialize, { keyId: 'c' }))).toMatchObject({ reason: 'UPSTREAM_UNAVAILABLE' });
    expect(links[0]?.closed).toBe(true);
  });

  test('each era has a link of its own', async () => {
    await beginShared('a');
    send(call(1), { era: 'stateless' });
    send(call(1), { era: 'stateless', keyId: 'b' });
    expect(links.map(({ sent }) => sent.map(({ method }) => method))).toEqual([
      ['initialize', 'notifications/initialized'],
      ['tools/call', 'tools/call'],
    ]);
  });
});

function catching(act: () => unknown): Denial | undefined {
  try {
    act();
  } catch (thrown) {
    if (thrown instanceof Denial) return thrown;
    throw thrown;
  }
  return undefined;
}
