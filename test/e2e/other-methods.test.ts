import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Bench, startBench } from '../support/bench.ts';
import { type EraRequestMaker, inSession, stateless } from '../support/eras.ts';
import { openStream } from '../support/event-text.ts';
import { post } from '../support/post.ts';
import { rpcId, rpcMethod } from '../support/recorded-request.ts';
import { sendJson } from '../support/recording-upstream.ts';

const up = {
  tools: [{ match: 'echo', scope: 'read:up' }],
  resources: [
    { match: 'test://public/**', scope: 'read:up' },
    { match: 'test://secret/**', scope: 'manage:up' },
  ],
  prompts: [
    { match: 'open_*', scope: 'read:up' },
    { match: 'closed', scope: 'manage:up' },
  ],
  methods: [{ match: 'logging/setLevel', scope: 'manage:up' }],
};

let bench: Bench;
let reader: { key: string; id: string };

beforeAll(async () => {
  bench = await startBench({ up });
  reader = await bench.gate.mint({ scopes: ['read'], budgets: [{ amount: '1', per: 'total' }] });
});
afterAll(() => bench.close());
beforeEach(() =>
  bench.upstream.script((request, response, ordinary) => {
    const method = rpcMethod(request) ?? '';
    const result = { resultType: 'complete', completion: { values: ['x'] } };
    if (!['completion/complete', 'logging/setLevel', 'resources/subscribe', 'resources/unsubscribe'].includes(method)) return ordinary();
    return void sendJson(response, { jsonrpc: '2.0', id: rpcId(request), result });
  }),
);
afterEach(() => bench.alive());

const eras: [string, EraRequestMaker][] = [
  ['the session era', inSession],
  ['2026-07-28', stateless],
];

function send(say: EraRequestMaker, method: string, params: object, key = reader.key) {
  const { body, headers } = say(method, params as Record<string, unknown>);
  return post(bench.url, { key, body, headers });
}

function refused(reason: 'TOOL_NOT_ALLOWED' | 'INSUFFICIENT_SCOPE', ...call: Parameters<typeof send>) {
  return bench.refused({ reason, id: 1, keyId: reader.id }, () => send(...call));
}

describe.each(eras)('completions in %s', (_era, say) => {
  const argument = { name: 'a', value: 'b' };

  it('are decided on what they complete, and forwarded as written', async () => {
    for (const ref of [
      { type: 'ref/prompt', name: 'open_1' },
      { type: 'ref/resource', uri: 'test://public/{id}' },
      { type: 'ref/resource', uri: 'TEST://public/%7Bid%7D' },
    ]) {
      expect((await send(say, 'completion/complete', { ref, argument })).json.result).toMatchObject({ completion: { values: ['x'] } });
      expect(bench.upstream.requests.at(-1)?.message).toMatchObject({ params: { ref } });
    }
  });

  it.each([
    ['INSUFFICIENT_SCOPE', { type: 'ref/prompt', name: 'closed' }],
    ['INSUFFICIENT_SCOPE', { type: 'ref/resource', uri: 'test://secret/{id}' }],
    ['TOOL_NOT_ALLOWED', { type: 'ref/prompt', name: 'nowhere' }],
    ['TOOL_NOT_ALLOWED', { type: 'ref/resource', uri: 'test://public/../secret/{id}' }],
    ['TOOL_NOT_ALLOWED', { type: 'ref/tool', name: 'echo' }],
  ] as const)('A26: %s for %j: nothing of it leaks', async (reason, ref) => {
    await bench.settled();
    await refused(reason, say, 'completion/complete', { ref, argument });
  });
});

describe('in the session era', () => {
  it('logging/setLevel needs the scope of a methods rule that names it', async () => {
    await refused('INSUFFICIENT_SCOPE', inSession, 'logging/setLevel', { level: 'debug' });
    expect((await send(inSession, 'logging/setLevel', { level: 'debug' }, bench.key)).status).toBe(200);
  });

  it('subscriptions to resources are decided like reads, and the uri goes on as written', async () => {
    for (const method of ['resources/subscribe', 'resources/unsubscribe']) {
      expect((await send(inSession, method, { uri: 'TEST://public/%61' })).status).toBe(200);
      expect(bench.upstream.requests.at(-1)?.message).toMatchObject({ params: { uri: 'TEST://public/%61' } });
      await bench.settled();
      await refused('INSUFFICIENT_SCOPE', inSession, method, { uri: 'test://secret/1' });
    }
  });

  it('a cancellation reaches the server under the id of the request, and progress the request it belongs to', async () => {
    const going = Promise.withResolvers<void>();
    const cancelled = Promise.withResolvers<void>();
    bench.upstream.script(async (request, response, ordinary) => {
      if (rpcMethod(request) === 'notifications/cancelled') cancelled.resolve();
      if (rpcMethod(request) !== 'tools/call') return ordinary();
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const params = { progressToken: 'mine', progress: 1 };
      response.write(`data: ${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/progress', params })}\n\n`);
      going.resolve();
      await cancelled.promise;
      response.end(`data: ${JSON.stringify({ jsonrpc: '2.0', id: rpcId(request), result: { content: [] } })}\n\n`);
    });
    const { body, headers } = inSession('tools/call', { name: 'echo', arguments: {}, _meta: { progressToken: 'mine' } }, 'long');
    const accept = {
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
      authorization: `Bearer ${reader.key}`,
    };
    const stream = await openStream(bench.url, { method: 'POST', headers: { ...headers, ...accept }, body: JSON.stringify(body) });
    await going.promise;
    await stream.seen(/"progressToken":"mine"/);
    const cancel = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'long', reason: 'enough' } };
    expect((await post(bench.url, { key: reader.key, body: cancel, headers })).status).toBe(202);
    expect(bench.upstream.calls('notifications/cancelled').at(-1)?.message).toEqual(cancel);
    expect(await stream.ended).toContain('"id":"long"');
  });
});

describe('in 2026-07-28', () => {
  it('closing the response stream cancels', async () => {
    const going = Promise.withResolvers<void>();
    const gone = Promise.withResolvers<void>();
    bench.upstream.script((request, response, ordinary) => {
      if (rpcMethod(request) !== 'tools/call') return ordinary();
      response.once('close', () => gone.resolve());
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(': begun\n\n', () => going.resolve());
      return undefined;
    });
    const { body, headers } = stateless('tools/call', { name: 'echo', arguments: {} });
    const accept = {
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
      authorization: `Bearer ${reader.key}`,
    };
    const stream = await openStream(bench.url, { method: 'POST', headers: { ...headers, ...accept }, body: JSON.stringify(body) });
    await going.promise;
    stream.leave();
    await gone.promise;
    await stream.ended;
  });

  it.each(['sampling/createMessage', 'elicitation/create', 'roots/list', 'tasks/get'])(
    'A05: %s of a server is dropped, the answer passes',
    async (method) => {
      bench.upstream.script((request, response, ordinary) => {
        if (rpcMethod(request) !== 'tools/call') return ordinary();
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write(`data: ${JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { taskId: 't' } })}\n\n`);
        return void response.end(`data: ${JSON.stringify({ jsonrpc: '2.0', id: rpcId(request), result: { content: [] } })}\n\n`);
      });
      const { text } = await send(stateless, 'tools/call', { name: 'echo', arguments: {} });
      expect(text).not.toContain(method);
      expect(text).toContain('"result"');
    },
  );

  it('A05: a response of a client, and what only servers ask, are refused', async () => {
    const { headers } = stateless('tools/call', { name: 'echo' });
    const version = { 'mcp-protocol-version': headers['mcp-protocol-version'] ?? '' };
    await bench.refused({ reason: 'INVALID_MESSAGE', id: null, keyId: reader.id }, () =>
      post(bench.url, { key: reader.key, body: { jsonrpc: '2.0', id: 1, result: {} }, headers: version }),
    );
    await bench.refused({ reason: 'UNKNOWN_METHOD', id: 1, keyId: reader.id }, () =>
      send(stateless, 'sampling/createMessage', { messages: [] }),
    );
  });
});
