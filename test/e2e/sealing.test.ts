import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Bench, startBench } from '../support/bench.ts';
import { inSession, stateless } from '../support/eras.ts';
import { eventsOf, messagesOf, type OpenStream, openStream } from '../support/event-text.ts';
import { post } from '../support/post.ts';
import { type RecordedRequest, rpcId } from '../support/recorded-request.ts';
import type { Respond } from '../support/recording-upstream.ts';

let bench: Bench;
let other: { key: string; id: string };
const elsewhere = () => `${bench.gate.url}/mcp/other`;

const up = {
  tools: [
    { match: 'tool_*', scope: 'read:up' },
    { match: 'echo', scope: 'read:up' },
    { match: 'secret_*', scope: 'manage:up' },
  ],
  resources: [{ match: 'test://public/**', scope: 'read:up' }],
};

beforeAll(async () => {
  // The second name leads to the same server: only the gate keeps the two apart.
  bench = await startBench({ up, mint: { scopes: ['read'] }, also: { other: {} } });
  other = await bench.gate.mint({ scopes: ['manage'], budgets: [{ amount: '1', per: 'total' }] });
});
afterAll(() => bench.close());
beforeEach(() => bench.upstream.script(undefined));
afterEach(() => bench.alive());

interface Session {
  /** As the client knows it. */
  readonly sealed: string;
  /** As the upstream knows it. */
  readonly own: string;
}

async function openSession(key = bench.key): Promise<Session> {
  let own = '';
  bench.upstream.script(async (_request, response, ordinary) => {
    await ordinary();
    own = String(response.getHeader('mcp-session-id') ?? '');
  });
  const { body } = inSession('initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'c', version: '1' } });
  const answer = await post(bench.url, { key, body });
  bench.upstream.script(undefined);
  await bench.settled();
  const sealed = answer.headers.get('mcp-session-id') ?? '';
  expect(sealed).toMatch(/^[A-Za-z0-9_-]{40,}$/);
  expect(own).toMatch(/^[0-9a-f-]{36}$/);
  expect(sealed).not.toContain(own);
  return { sealed, own };
}

function headersOf(key: string, session: string | undefined, more: Record<string, string> = {}): Record<string, string> {
  return {
    accept: 'application/json, text/event-stream',
    'content-type': 'application/json',
    authorization: `Bearer ${key}`,
    ...(session === undefined ? {} : { 'mcp-session-id': session }),
    ...more,
  };
}

async function ask(
  verb: 'POST' | 'GET' | 'DELETE',
  options: { key?: string; to?: string; session?: string; body?: object; event?: string },
) {
  const { key = bench.key, to = bench.url, session, body = inSession('tools/list', {}, 'own').body, event } = options;
  const { 'content-type': type, ...headers } = headersOf(key, session, event === undefined ? {} : { 'last-event-id': event });
  const answer = await fetch(to, {
    method: verb,
    headers: verb === 'POST' ? { ...headers, 'content-type': type ?? '' } : headers,
    ...(verb === 'POST' ? { body: JSON.stringify(body) } : {}),
  });
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
}

/** Texts that are like a sealed one, and are not it. */
function forgeries(sealed: string): string[] {
  const flipped = (at: number) => {
    const changed = sealed[at] === 'A' ? 'B' : 'A';
    return sealed.slice(0, at) + changed + sealed.slice(at + 1);
  };
  const middle = sealed.length >> 1;
  return [
    flipped(0),
    flipped(middle),
    flipped(sealed.length - 3),
    sealed.slice(0, -4),
    `${sealed}AAAA`,
    sealed.slice(4),
    sealed.toUpperCase(),
    'A',
    '*',
    'A'.repeat(9_000),
  ];
}

describe('A29: session ids', () => {
  it('the upstream gets its own id back, and only from the key it was given to', async () => {
    const session = await openSession();
    const answer = await ask('POST', { session: session.sealed });
    expect(answer.status).toBe(200);
    expect(bench.upstream.requests.at(-1)?.headers['mcp-session-id']).toBe(session.own);
    await bench.settled();
    for (const verb of ['POST', 'GET', 'DELETE'] as const) {
      const id = verb === 'POST' ? 'own' : null;
      await bench.refused({ reason: 'SESSION_NOT_FOUND', id, keyId: other.id }, () =>
        ask(verb, { key: other.key, session: session.sealed }),
      );
      await bench.refused({ reason: 'SESSION_NOT_FOUND', id }, () => ask(verb, { session: session.sealed, to: elsewhere() }));
      await bench.refused({ reason: 'SESSION_NOT_FOUND', id }, () => ask(verb, { session: session.own }));
    }
    for (const forged of forgeries(session.sealed)) {
      await bench.refused({ reason: 'SESSION_NOT_FOUND', id: 'own' }, () => ask('POST', { session: forged }));
    }
    expect((await ask('POST', { session: session.sealed })).status).toBe(200);
  });

  it('two clients of one upstream never share one, and two sealings of one id differ', async () => {
    const [one, two] = [await openSession(), await openSession()];
    expect(one.own).not.toBe(two.own);
    expect(one.sealed.slice(0, 16)).not.toBe(two.sealed.slice(0, 16));
  });

  it('an ended session is 404, however the upstream says it', async () => {
    const session = await openSession();
    const ended = await ask('DELETE', { session: session.sealed });
    expect(ended.status).toBe(200);
    await bench.settled();
    const lost = async () => {
      const answer = await ask('POST', { session: session.sealed });
      await bench.settled();
      return answer;
    };
    expect(await lost()).toMatchObject({ status: 404, text: expect.stringContaining('"id":"own"') });
    bench.upstream.script(
      (_request, response) =>
        void response.writeHead(400).end('{"jsonrpc":"2.0","error":{"code":-32000,"message":"No valid session ID"},"id":null}'),
    );
    const answer = await lost();
    expect(answer.status).toBe(404);
    expect(JSON.parse(answer.text)).toMatchObject({ id: 'own', error: { code: -31404, data: { reason: 'SESSION_NOT_FOUND' } } });
  });

  it('an error about the request itself is passed on, also where it speaks of a session', async () => {
    const session = await openSession();
    const error = { code: -32602, message: 'the argument session is missing' };
    bench.upstream.script(
      (_request, response) =>
        void response.writeHead(400, { 'content-type': 'application/json' }).end(JSON.stringify({ jsonrpc: '2.0', id: 'own', error })),
    );
    const answer = await ask('POST', { session: session.sealed });
    await bench.settled();
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.text)).toMatchObject({ id: 'own', error });
  });
});

describe('A29: event ids and resumption', () => {
  /** Opens a stream for a request, passes one event with an id, and is cut. */
  const cutAfterEvent: Respond = (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('id: stream-1_0\nretry: 10\ndata: \n\n', () => response.end());
  };
  const allTools = [
    { name: 'tool_0', inputSchema: {} },
    { name: 'secret_drop', inputSchema: {} },
    { name: 'unlisted', inputSchema: {} },
  ];

  async function cutStream(session: Session, method: string, params: Record<string, unknown>, id: string | number) {
    bench.upstream.script(cutAfterEvent);
    const answer = await ask('POST', { session: session.sealed, body: inSession(method, params, id).body });
    bench.upstream.script(undefined);
    await bench.settled();
    const [event] = eventsOf(answer.text).filter(({ id: eventId }) => eventId !== undefined);
    expect(event).toMatchObject({ retry: '10', data: '' });
    expect(answer.text).not.toContain('stream-1_0');
    expect(messagesOf(answer.text)).toEqual([]);
    return event?.id ?? '';
  }

  const replay =
    (...messages: unknown[]): Respond =>
    (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const message of messages) response.write(`id: stream-1_9\ndata: ${JSON.stringify(message)}\n\n`);
      response.end();
    };

  const listAnswer = (id: unknown) => ({ jsonrpc: '2.0', id, result: { tools: allTools } });

  it('an answer that is taken up again is filtered like one that never broke', async () => {
    const session = await openSession();
    const event = await cutStream(session, 'tools/list', {}, 'list');
    bench.upstream.script(replay({ jsonrpc: '2.0', method: 'notifications/message', params: {} }, listAnswer('list')));
    const resumed = await ask('GET', { session: session.sealed, event });
    const seen = bench.upstream.requests.at(-1);
    expect(seen).toMatchObject({ method: 'GET', headers: { 'last-event-id': 'stream-1_0', 'mcp-session-id': session.own } });
    expect(messagesOf(resumed.text)).toEqual([
      { jsonrpc: '2.0', method: 'notifications/message', params: {} },
      { jsonrpc: '2.0', id: 'list', result: { tools: [allTools[0]] } },
    ]);
    await bench.settled();
    // The ids of the resumed stream still know what it was for.
    const [later] = eventsOf(resumed.text).flatMap(({ id }) => id ?? []);
    bench.upstream.script(replay(listAnswer('list')));
    const again = await ask('GET', { session: session.sealed, event: later ?? '' });
    expect(again.text).not.toContain('secret_drop');
    expect(messagesOf(again.text)).toMatchObject([{ id: 'list' }]);
  });

  it('only the answer the stream was for may pass', async () => {
    const session = await openSession();
    const event = await cutStream(session, 'tools/call', { name: 'echo', arguments: {} }, 5);
    for (const stray of [listAnswer(5.5), listAnswer('5'), listAnswer(6), listAnswer(null)]) {
      bench.upstream.script(replay(stray));
      const resumed = await ask('GET', { session: session.sealed, event });
      expect(resumed.text).not.toContain('secret_drop');
      await bench.settled();
    }
    bench.upstream.script(replay({ jsonrpc: '2.0', id: 5, result: { content: [] } }, listAnswer(5), listAnswer('list')));
    const resumed = await ask('GET', { session: session.sealed, event });
    expect(messagesOf(resumed.text)).toEqual([{ jsonrpc: '2.0', id: 5, result: { content: [] } }]);
  });

  it('a GET stream carries no answers at all, also when it is taken up again', async () => {
    const session = await openSession();
    bench.upstream.script(replay(listAnswer('list'), { jsonrpc: '2.0', method: 'notifications/tools/list_changed' }));
    const first = await ask('GET', { session: session.sealed });
    expect(messagesOf(first.text)).toEqual([{ jsonrpc: '2.0', method: 'notifications/tools/list_changed' }]);
    await bench.settled();
    const event = eventsOf(first.text).flatMap(({ id }) => id ?? [])[0] ?? '';
    const again = await ask('GET', { session: session.sealed, event });
    expect(bench.upstream.requests.at(-1)?.headers['last-event-id']).toBe('stream-1_9');
    expect(again.text).not.toContain('secret_drop');
  });

  it('an event id is good for its key, upstream and session alone', async () => {
    const [session, another] = [await openSession(), await openSession()];
    const event = await cutStream(session, 'tools/list', {}, 'list');
    const refused = (options: Parameters<typeof ask>[1], keyId = bench.keyId) =>
      bench.refused({ reason: 'SESSION_NOT_FOUND', id: null, keyId }, () => ask('GET', options));
    await refused({ event });
    await refused({ event, session: another.sealed });
    await refused({ event, key: other.key }, other.id);
    await refused({ event, key: other.key, session: session.sealed }, other.id);
    await refused({ event, session: session.sealed, to: elsewhere() });
    await refused({ event: session.sealed, session: session.sealed });
    await refused({ event: 'stream-1_0', session: session.sealed });
    await refused({ event: '', session: session.sealed });
    for (const forged of forgeries(event)) await refused({ event: forged, session: session.sealed });
    await bench.refused({ reason: 'SESSION_NOT_FOUND', id: 'own' }, () => ask('POST', { session: event }));
  });

  it('in 2026-07-28 streams carry no event ids', async () => {
    bench.upstream.script((request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.end(
        `id: stream-1_0\ndata: \n\nid: stream-1_1\ndata: ${JSON.stringify({ jsonrpc: '2.0', id: rpcId(request), result: {} })}\n\n`,
      );
    });
    const { body, headers } = stateless('tools/call', { name: 'echo', arguments: {} }, 1);
    const answer = await post(bench.url, { key: bench.key, body, headers });
    expect(eventsOf(answer.text).flatMap(({ id }) => id ?? [])).toEqual([]);
    expect(messagesOf(answer.text)).toEqual([{ jsonrpc: '2.0', id: 1, result: {} }]);
  });
});

describe('A29: what servers ask', () => {
  const sampling = (id: unknown) => ({ jsonrpc: '2.0', id, method: 'sampling/createMessage', params: { messages: [], maxTokens: 1 } });
  const streams: OpenStream[] = [];
  afterEach(async () => {
    for (const stream of streams.splice(0)) {
      stream.leave();
      await stream.ended;
    }
  });

  /** A call whose stream stays open after the server has sent these messages. */
  async function callWith(session: Session, messages: unknown[]): Promise<{ stream: OpenStream; go: (text: string) => void }> {
    const open = Promise.withResolvers<(text: string) => void>();
    bench.upstream.script((request, response, ordinary) => {
      if (!request.body.includes('"tools/call"')) return ordinary();
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const message of messages) response.write(`data: ${JSON.stringify(message)}\n\n`);
      open.resolve((text) => void response.write(text));
      return undefined;
    });
    const stream = await openStream(bench.url, {
      method: 'POST',
      headers: headersOf(bench.key, session.sealed),
      body: JSON.stringify(inSession('tools/call', { name: 'echo', arguments: {} }, 'call').body),
    });
    streams.push(stream);
    return { stream, go: await open.promise };
  }

  const answerFor = (id: unknown) => ({ jsonrpc: '2.0', id, result: { role: 'assistant', content: { type: 'text', text: 'sampled' } } });
  const lastAnswer = (): RecordedRequest | undefined => bench.upstream.requests.filter(({ body }) => body.includes('"sampled"')).at(-1);

  it.each([7, 'seven', '7', -1, 'q"uote\\', 'ü'])('an answer reaches the server under its own id %j, once', async (id) => {
    const session = await openSession();
    const { stream } = await callWith(session, [sampling(id)]);
    const [asked] = messagesOf(await stream.seen(/sampling/));
    expect(asked).toMatchObject({ method: 'sampling/createMessage', params: { maxTokens: 1 } });
    const sealed = String(asked?.id);
    expect(sealed).toMatch(/^[A-Za-z0-9_-]{40,}$/);
    const body = answerFor(sealed);
    expect((await ask('POST', { session: session.sealed, body })).status).toBe(202);
    expect(lastAnswer()?.message).toEqual(answerFor(id));
    expect(lastAnswer()?.headers['mcp-session-id']).toBe(session.own);
    await bench.refused({ reason: 'INVALID_MESSAGE', id: null }, () => ask('POST', { session: session.sealed, body }));
  });

  it('nobody else can answer, and nothing else is an answer', async () => {
    const [session, another, theirs] = [await openSession(), await openSession(), await openSession(other.key)];
    const { stream } = await callWith(session, [sampling(3)]);
    const sealed = String(messagesOf(await stream.seen(/sampling/))[0]?.id);
    const refused = (options: Parameters<typeof ask>[1], keyId = bench.keyId) =>
      bench.refused({ reason: 'INVALID_MESSAGE', id: null, keyId }, () => ask('POST', { body: answerFor(sealed), ...options }));
    await refused({});
    await refused({ session: another.sealed });
    await refused({ key: other.key }, other.id);
    await refused({ key: other.key, session: theirs.sealed }, other.id);
    await refused({ to: elsewhere() });
    await refused({ session: session.sealed, body: answerFor(3) });
    await refused({ session: session.sealed, body: answerFor(session.sealed) });
    for (const forged of forgeries(sealed)) if (forged.length < 256) await refused({ session: session.sealed, body: answerFor(forged) });
    await bench.refused({ reason: 'INVALID_MESSAGE', id: null }, () =>
      post(bench.url, { key: bench.key, body: answerFor(sealed), headers: { 'mcp-protocol-version': '2026-07-28' } }),
    );
    // All that changed nothing: the one it was for can still answer.
    expect((await ask('POST', { session: session.sealed, body: answerFor(sealed) })).status).toBe(202);
    expect(lastAnswer()?.message).toEqual(answerFor(3));
  });

  it('of two answers at once, one is taken', async () => {
    const session = await openSession();
    const { stream } = await callWith(session, [sampling(4)]);
    const sealed = String(messagesOf(await stream.seen(/sampling/))[0]?.id);
    const before = bench.upstream.requests.length;
    const answers = await Promise.all(Array.from({ length: 8 }, () => ask('POST', { session: session.sealed, body: answerFor(sealed) })));
    expect(answers.map(({ status }) => status).sort()).toEqual([202, 400, 400, 400, 400, 400, 400, 400]);
    expect(bench.upstream.requests.length).toBe(before + 1);
  });

  it('a server that takes its request back names it as the client knows it', async () => {
    const session = await openSession();
    const cancelled = (requestId: unknown) => ({
      jsonrpc: '2.0',
      method: 'notifications/cancelled',
      params: { requestId, reason: 'late' },
    });
    const { stream } = await callWith(session, [sampling(9), cancelled(8), cancelled('9'), cancelled(9)]);
    const [asked, ...taken] = messagesOf(await stream.seen(/late/));
    expect(taken).toEqual([cancelled(asked?.id)]);
  });

  it('of what servers may not ask, nothing is shown, nor in 2026-07-28 anything', async () => {
    const session = await openSession();
    const asks = ['tools/call', 'tools/list', 'initialize', 'resources/read', 'vendor/x'].map((method, id) => ({
      jsonrpc: '2.0',
      id,
      method,
      params: { name: 'x', uri: 'test://x' },
    }));
    const { stream, go } = await callWith(session, asks);
    go('data: {"jsonrpc":"2.0","id":"call","result":{"content":[]}}\n\n');
    expect(messagesOf(await stream.seen(/result/))).toEqual([{ jsonrpc: '2.0', id: 'call', result: { content: [] } }]);
    bench.upstream.script((request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.end(
        `data: ${JSON.stringify(sampling(1))}\n\ndata: ${JSON.stringify({ jsonrpc: '2.0', id: rpcId(request), result: {} })}\n\n`,
      );
    });
    const { body, headers } = stateless('tools/call', { name: 'echo', arguments: {} }, 'm');
    expect(messagesOf((await post(bench.url, { key: bench.key, body, headers })).text)).toEqual([{ jsonrpc: '2.0', id: 'm', result: {} }]);
  });

  it('an update names only what the key may read', async () => {
    const session = await openSession();
    const updated = (uri: string) => ({ jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri } });
    const names = [
      'test://public/1',
      'test://secret/1',
      'test://public/../secret/1',
      'test://public/%2e%2e/secret',
      'nonsense',
      'TEST://public/2',
    ];
    const { stream, go } = await callWith(session, names.map(updated));
    go('data: {"jsonrpc":"2.0","id":"call","result":{}}\n\n');
    const shown = messagesOf(await stream.seen(/result/)).flatMap(({ params }) => (params as { uri: string } | undefined)?.uri ?? []);
    expect(shown).toEqual(['test://public/1', 'TEST://public/2']);
  });
});
