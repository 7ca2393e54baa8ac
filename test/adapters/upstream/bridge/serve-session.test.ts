import { describe, expect, it } from 'vitest';
import { type Answered, bare, requestOf, type Scripts, type Seen, statelessServer, stubBridge } from './stub.ts';

const ok = (seen: Seen) => seen.result({ resultType: 'complete', content: [] });
const refusalOf = ({ failure }: Answered) => failure?.cause as { reason?: string; message?: string } | undefined;
const note = (method: string, params?: object) => ({ jsonrpc: '2.0', method, ...(params && { params }) });
const clientInfo = { name: 'c', version: '1' };

const initialize = (more: { protocolVersion?: string; capabilities?: object; clientInfo?: object } = {}) =>
  requestOf('session', {
    ...{ id: 1, method: 'initialize' },
    params: {
      protocolVersion: '2025-11-25',
      capabilities: { sampling: {}, elicitation: {}, roots: {}, experimental: { x: {} } },
      clientInfo,
      ...more,
    },
  });

/** A bridge in which a session client has begun. */
async function begun(more: Scripts = {}) {
  const stub = stubBridge(statelessServer(more));
  const opened = await stub.send(initialize()).over;
  const session = String(opened.headers?.['mcp-session-id']);
  const ask = (method: string, params?: object, id: string | number = 2) =>
    stub.send(
      requestOf('session', { id, method, ...(params && { params }) }, { session, headers: ['mcp-protocol-version', '2025-11-25'] }),
    );
  const tell = (method: string, params?: object) => stub.send(requestOf('session', { method, ...(params && { params }) }, { session }));
  return { ...stub, opened, session, ask, tell };
}

describe('initialize', () => {
  it('is answered from server/discover, but for what is not bridged', async () => {
    const { opened, methods } = await begun();
    expect(methods()).toEqual(['initialize', 'server/discover']);
    expect(opened.status).toBe(200);
    expect(opened.messages()).toEqual([
      {
        ...{ jsonrpc: '2.0', id: 1 },
        result: {
          ...{ protocolVersion: '2025-11-25', serverInfo: { name: 'stub', version: '7' }, instructions: 'Be kind.' },
          capabilities: { tools: { listChanged: true }, resources: { listChanged: true } },
        },
      },
    ]);
  });

  it.each([
    ['2025-06-18', '2025-06-18'],
    ['2024-11-05', '2024-11-05'],
    ['2026-07-28', '2025-11-25'],
    ['1999-01-01', '2025-11-25'],
  ])('asking for %s is answered with %s', async (protocolVersion, answered) => {
    const { send } = stubBridge(statelessServer());
    expect((await send(initialize({ protocolVersion })).over).text).toContain(`"protocolVersion":"${answered}"`);
  });

  it('is not tried again once it is known what the upstream speaks', async () => {
    const { send, methods } = await begun();
    await send(initialize()).over;
    expect(methods()).toEqual(['initialize', 'server/discover', 'server/discover']);
  });

  it('begins another session each time, and none is longer than a header may be', async () => {
    const { send } = stubBridge(statelessServer());
    const sessions: string[] = [];
    for (const info of [clientInfo, clientInfo, { name: 'c'.repeat(5_000), version: '1' }, { ...clientInfo, icons: ['x'.repeat(5_000)] }]) {
      const { headers } = await send(initialize({ clientInfo: info, capabilities: { experimental: { y: 'ü'.repeat(2_000) } } })).over;
      sessions.push(String(headers?.['mcp-session-id']));
    }
    expect(new Set(sessions).size).toBe(4);
    for (const session of sessions) expect(Buffer.byteLength(session)).toBeLessThanOrEqual(3_000);
  });
});

describe('what the stateless server gets', () => {
  it('says in each request what the session said once', async () => {
    const { ask, seen } = await begun({ 'prompts/get': ok });
    await ask('prompts/get', {
      name: 'grüß',
      arguments: { a: 'b' },
      _meta: { progressToken: 5, 'io.modelcontextprotocol/clientInfo': 'a claim' },
    }).over;
    const [sent] = seen.slice(-1);
    expect(sent?.body.params).toEqual({
      ...{ name: 'grüß', arguments: { a: 'b' } },
      _meta: {
        progressToken: 5,
        'io.modelcontextprotocol/protocolVersion': '2026-07-28',
        'io.modelcontextprotocol/clientCapabilities': { experimental: { x: {} } },
        'io.modelcontextprotocol/clientInfo': clientInfo,
      },
    });
    expect(sent?.request).toMatchObject({ era: 'stateless', keyId: 'ABCD1234' });
    expect(sent?.request.session).toBeUndefined();
    expect(sent?.header('mcp-session-id')).toBeUndefined();
    expect(sent?.header('mcp-protocol-version')).toBe('2026-07-28');
    expect(sent?.header('mcp-method')).toBe('prompts/get');
    expect(sent?.header('mcp-name')).toBe(`=?base64?${Buffer.from('grüß').toString('base64')}?=`);
    expect(sent?.header('authorization')).toBe('Bearer upstream-secret');
  });

  it.each([
    ['no params', undefined],
    ['empty params', {}],
    ['params without _meta', { cursor: 'c' }],
    ['params with an empty _meta', { _meta: {} }],
  ])('%s', async (_name, params) => {
    const { ask, seen } = await begun({ 'prompts/list': ok });
    await ask('prompts/list', params).over;
    expect(seen.at(-1)?.body).toMatchObject({
      ...{ id: 2, method: 'prompts/list' },
      params: { ...params, _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' } },
    });
  });

  it('headers for the arguments that the tool wants there, from its list', async () => {
    const inputSchema = {
      type: 'object',
      properties: {
        region: { type: 'string', 'x-mcp-header': 'Region' },
        deep: {
          type: 'object',
          properties: { on: { type: 'boolean', 'x-mcp-header': 'On' }, n: { type: 'integer', 'x-mcp-header': 'N' } },
        },
      },
    };
    const pages = [{ tools: [{ name: 'other', inputSchema: {} }], nextCursor: 'more' }, { tools: [{ name: 'routed', inputSchema }] }];
    const { ask, seen, methods } = await begun({
      'tools/call': ok,
      'tools/list': (one) => one.result(pages[one.body.params?.['cursor'] === 'more' ? 1 : 0]),
    });
    await ask('tools/call', { name: 'routed', arguments: { region: 'eu west', deep: { on: true, n: 42 } } }).over;
    expect(['region', 'on', 'n'].map((name) => seen.at(-1)?.header(`mcp-param-${name}`))).toEqual(['eu west', 'true', '42']);
    await ask('tools/call', { name: 'routed', arguments: { region: null } }).over;
    expect(seen.at(-1)?.header('mcp-param-region')).toBeUndefined();
    expect(methods().filter((method) => method === 'tools/list')).toHaveLength(2);
  });

  it('a call goes without such headers where the tools cannot be listed; a mismatch makes them be listed anew', async () => {
    const refuse = (one: Seen) =>
      one.json(400, { jsonrpc: '2.0', id: one.body.id, error: { code: -32020, message: 'Mcp-Param-Region is missing' } });
    const { ask, methods } = await begun({ 'tools/list': (one) => one.json(500, {}), 'tools/call': refuse });
    const answer = await ask('tools/call', { name: 'routed', arguments: { region: 'eu' } }).over;
    expect(answer).toMatchObject({ status: 200 });
    expect(answer.messages()[0]).toMatchObject({ error: { code: -32020 } });
    await ask('tools/call', { name: 'routed', arguments: { region: 'eu' } }).over;
    expect(methods().filter((method) => method === 'tools/call')).toHaveLength(2);
  });
});

describe('what the session client gets', () => {
  it('the answer as it is, whole or streamed', async () => {
    const progress = note('notifications/progress', { progressToken: 5, progress: 1 });
    const { ask } = await begun({
      'prompts/list': (one) => one.result({ resultType: 'complete', prompts: [], ttlMs: 5, cacheScope: 'public' }),
      'tools/call': (one) => {
        one.events(progress, { jsonrpc: '2.0', id: 2, result: { resultType: 'complete', content: [] } });
        one.receiver.onEnd();
      },
    });
    expect((await ask('prompts/list').over).messages()[0]?.['result']).toEqual({
      resultType: 'complete',
      prompts: [],
      ttlMs: 5,
      cacheScope: 'public',
    });
    expect((await ask('tools/call', { name: 'a' }).over).messages()).toEqual([progress, expect.objectContaining({ id: 2 })]);
  });

  it.each([400, 404])(
    'an error that came with HTTP %i as an answer, since to a session client the status would mean something else',
    async (status) => {
      const error = { code: -32601, message: 'Method not found' };
      const { ask } = await begun({ 'prompts/list': (one) => one.json(status, { jsonrpc: '2.0', id: one.body.id, error }) });
      const answer = await ask('prompts/list').over;
      expect(answer.status).toBe(200);
      expect(answer.messages()).toEqual([{ jsonrpc: '2.0', id: 2, error }]);
    },
  );

  it('HTTP 404 without an answer is no lost session', async () => {
    const { ask } = await begun({ 'prompts/list': (one) => one.json(404, { gone: true }) });
    expect((await ask('prompts/list').over).status).toBe(502);
  });

  it('ping, and what a session tells, are answered here', async () => {
    const { ask, tell, methods, send, session } = await begun();
    expect((await ask('ping', undefined, 'p').over).messages()).toEqual([{ jsonrpc: '2.0', id: 'p', result: {} }]);
    for (const method of ['initialized', 'progress', 'roots/list_changed']) {
      expect(await tell(`notifications/${method}`, { progressToken: 1, progress: 1 }).over).toMatchObject({ status: 202, text: '' });
    }
    expect(await send(bare('DELETE', session)).over).toMatchObject({ status: 200, text: '' });
    expect(methods()).toEqual(['initialize', 'server/discover']);
  });

  it('a client that begins without initialize is spoken for by the bridge, where it is known what the upstream speaks', async () => {
    const request = requestOf('session', { id: 1, method: 'prompts/list' });
    const { send, seen } = await begun({ 'prompts/list': ok });
    const pinned = stubBridge(statelessServer({ 'prompts/list': ok }), { protocol: 'stateless' });
    const unknown = stubBridge(statelessServer({ 'prompts/list': ok }));
    await send(request).over;
    await pinned.send(request).over;
    await unknown.send(request).over;
    for (const one of [seen.at(-1), pinned.seen.at(-1)]) {
      expect(one?.body.params?._meta?.['io.modelcontextprotocol/clientInfo']).toEqual({ name: 'keygate', version: '1' });
    }
    expect(unknown.seen.map((one) => one.request)).toEqual([request]);
  });
});

describe('cancellation', () => {
  it('closes the stream of its call, and of no other session', async () => {
    const running = Promise.withResolvers<Seen>();
    const { ask, tell, send } = await begun({ 'tools/call': running.resolve });
    const { over } = ask('tools/call', { name: 'slow' }, 9);
    const call = await running.promise;
    const other = String((await send(initialize()).over).headers?.['mcp-session-id']);
    const cancelled = { method: 'notifications/cancelled', params: { requestId: 9 } };
    expect(await send(requestOf('session', cancelled, { session: other })).over).toMatchObject({ status: 202 });
    expect(call.aborted).toBe(false);
    expect(await tell(cancelled.method, cancelled.params).over).toMatchObject({ status: 202 });
    expect(call.aborted).toBe(true);
    expect((await over).failure).toMatchObject({ kind: 'aborted', sent: true });
  });
});

describe('the stream of a session', () => {
  const acknowledged = (notifications: object) => note('notifications/subscriptions/acknowledged', { notifications });

  it('is a subscription to every list', async () => {
    const opened = Promise.withResolvers<Seen>();
    const { send, session } = await begun({ 'subscriptions/listen': opened.resolve });
    const { answered, exchange } = send(bare('GET', session));
    const stream = await opened.promise;
    expect(stream.body.params).toMatchObject({
      notifications: { toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true },
      _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' },
    });
    expect(stream.request).toMatchObject({ method: 'POST', era: 'stateless', long: true, silenceTimeoutMs: 0 });
    expect(answered.status).toBeUndefined();
    stream.events(acknowledged({ toolsListChanged: true }), note('notifications/tools/list_changed'));
    expect(answered).toMatchObject({ status: 200, headers: { 'content-type': 'text/event-stream' } });
    expect(answered.messages()).toEqual([note('notifications/tools/list_changed')]);
    exchange.abort();
    expect(stream.aborted).toBe(true);
  });

  it.each<[string, (seen: Seen) => void]>([
    ['nothing to tell of', (one) => one.events(acknowledged({}))],
    ['no such method', (one) => one.json(404, { jsonrpc: '2.0', id: 1, error: { code: -32601, message: 'no' } })],
    [
      'a stream that ends at once',
      (one) => {
        one.events();
        one.receiver.onEnd();
      },
    ],
  ])('is none (405) where the server has %s', async (_what, script) => {
    const { send, session } = await begun({ 'subscriptions/listen': script });
    expect(await send(bare('GET', session)).over).toMatchObject({ status: 405 });
  });

  it('is not said to be none where the server has trouble', async () => {
    const { send, session } = await begun({ 'subscriptions/listen': (one) => one.json(503, {}) });
    expect(await send(bare('GET', session)).over).toMatchObject({ status: 503 });
  });
});

describe('what is not bridged (docs/bridge.md)', () => {
  it.each([
    ['logging/setLevel', { level: 'info' }],
    ['resources/subscribe', { uri: 'a://b' }],
    ['resources/unsubscribe', { uri: 'a://b' }],
    ['tasks/get', { taskId: 't' }],
    ['tasks/list', {}],
    ['tasks/result', { taskId: 't' }],
    ['tasks/cancel', { taskId: 't' }],
  ])('%s is refused with the reason, and nothing is sent', async (method, params) => {
    const { ask, methods } = await begun();
    const refused = await ask(method, params).over;
    expect(refusalOf(refused)).toMatchObject({ reason: 'UNKNOWN_METHOD', message: expect.stringContaining('2026-07-28') });
    expect(refused.failure?.sent).toBe(false);
    expect(methods()).toEqual(['initialize', 'server/discover']);
  });

  it('a call that asks for a task is refused with the reason', async () => {
    const { ask } = await begun();
    expect(refusalOf(await ask('tools/call', { name: 'a', task: {} }).over)).toMatchObject({ reason: 'INVALID_MESSAGE' });
  });

  it.each(['input_required', 'task'])('an answer of the type %s becomes an error that says why', async (resultType) => {
    const { ask } = await begun({ 'tools/call': (one) => one.result({ resultType, inputRequests: {}, requestState: 's' }) });
    const answer = await ask('tools/call', { name: 'a' }).over;
    expect(answer.status).toBe(200);
    expect(answer.messages()).toEqual([
      {
        ...{ jsonrpc: '2.0', id: 2 },
        error: {
          ...{ code: -31502, message: expect.stringContaining('Connect with 2026-07-28') },
          data: { reason: 'UPSTREAM_FAILED', resultType, outcome: 'unknown' },
        },
      },
    ]);
  });

  it('a capability that the server misses is explained', async () => {
    const error = { code: -32021, message: 'Cannot request input', data: { requiredCapabilities: { elicitation: {} } } };
    const { ask } = await begun({ 'tools/call': (one) => one.json(400, { jsonrpc: '2.0', id: one.body.id, error }) });
    const [answer] = (await ask('tools/call', { name: 'a' }).over).messages();
    expect(answer).toMatchObject({ error: { ...error, message: expect.stringMatching(/^Cannot request input .*era bridge/) } });
  });
});
