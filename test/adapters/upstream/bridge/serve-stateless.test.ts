import { describe, expect, it } from 'vitest';
import { type Answered, capabilities, modern, requestOf, type Seen, sessionServer, stubBridge } from './stub.ts';

const text = (words: string) => ({ content: [{ type: 'text', text: words }] });
const ok = (seen: Seen) => seen.result(text('done'));
const note = (method: string, params: object) => ({ jsonrpc: '2.0', method, params });
const call = (id: string | number = 'own', meta: object = {}) =>
  modern('tools/call', { name: 'echo', arguments: { a: 1.5 }, _meta: meta }, id);
const refusalOf = ({ failure }: Answered) => failure?.cause as { reason?: string; message?: string; facts?: object } | undefined;

describe('what the session server gets', () => {
  it('is in a session of the bridge, under an id of its own, without what 2026-07-28 added', async () => {
    const { send, seen, methods } = stubBridge(sessionServer({ 'tools/call': ok }));
    const answer = await send(call('own', { progressToken: 'mine', traceparent: '00-1', 'com.example/x': [1] })).over;
    expect(methods()).toEqual(['server/discover', 'initialize', 'notifications/initialized', 'tools/call']);
    const [sent] = seen.slice(-1);
    expect(sent?.body.params).toEqual({
      ...{ name: 'echo', arguments: { a: 1.5 } },
      _meta: { progressToken: sent?.body.id, traceparent: '00-1', 'com.example/x': [1] },
    });
    // The arguments are the bytes that were judged.
    expect(sent?.request.body?.toString()).toContain('"arguments":{"a":1.5}');
    expect(sent?.body.id).not.toBe('own');
    expect(sent?.request).toMatchObject({ era: 'session', session: 'up-1', keyId: 'ABCD1234' });
    expect([sent?.header('mcp-session-id'), sent?.header('mcp-protocol-version')]).toEqual(['up-1', '2025-06-18']);
    expect([sent?.header('mcp-method'), sent?.header('mcp-name')]).toEqual([undefined, undefined]);
    expect([sent?.header('authorization'), sent?.header('x-request-id')]).toEqual(['Bearer upstream-secret', 'q1']);
    expect(answer.messages()).toEqual([{ jsonrpc: '2.0', id: 'own', result: { resultType: 'complete', ...text('done') } }]);
  });

  it('is an initialize that offers nothing a server could ask for', async () => {
    const { send, seen } = stubBridge(sessionServer({ 'tools/call': ok }));
    await send(call()).over;
    expect(seen[1]?.body.params).toMatchObject({ protocolVersion: '2025-11-25', capabilities: {} });
  });

  it('shares a session among calls of one key, credentials and upstream, and no others', async () => {
    const { send, seen } = stubBridge(sessionServer({ 'tools/call': ok }));
    await Promise.all([send(call(1)).over, send(call(1)).over]);
    await send({ ...call(1), keyId: 'OTHER123' }).over;
    await send({ ...call(1), headers: call().headers.map((value) => value.replace('upstream-secret', 'rotated')) }).over;
    const calls = seen.filter(({ body }) => body.method === 'tools/call');
    expect(calls.map(({ request }) => request.session)).toEqual(['up-1', 'up-1', 'up-2', 'up-3']);
    expect(calls[0]?.body.id).not.toBe(calls[1]?.body.id);
  });

  it('works with a server that gives no session id', async () => {
    const init = (seen: Seen) => seen.result({ protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 's', version: '1' } });
    const { send, seen, bridge } = stubBridge(sessionServer({ initialize: init, 'tools/call': ok }));
    expect(await send(call()).over).toMatchObject({ status: 200 });
    expect(seen.at(-1)?.header('mcp-session-id')).toBeUndefined();
    await bridge.close();
    expect(seen.some(({ request }) => request.method === 'DELETE')).toBe(false);
  });
});

describe('what the stateless client gets', () => {
  it('server/discover: what initialize said, but for what is not bridged', async () => {
    const { send } = stubBridge(sessionServer());
    const { tasks: _, ...carried } = capabilities;
    expect((await send(modern('server/discover')).over).messages()).toEqual([
      {
        ...{ jsonrpc: '2.0', id: 'own' },
        result: {
          ...{ resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities: carried, instructions: 'Be kind.' },
          ...{ ttlMs: 0, cacheScope: 'private', _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'stub', version: '7' } } },
        },
      },
    ]);
  });

  it.each(['tools/list', 'prompts/list', 'resources/list', 'resources/templates/list', 'resources/read'])(
    '%s: for how long it may be kept',
    async (method) => {
      const { send } = stubBridge(sessionServer({ [method]: (seen) => seen.result({ things: [], nextCursor: 'c' }) }));
      const params = method === 'resources/read' ? { uri: 'a://b' } : {};
      expect((await send(modern(method, params)).over).messages()[0]?.['result']).toEqual({
        ...{ resultType: 'complete', ttlMs: 0, cacheScope: 'private', things: [], nextCursor: 'c' },
      });
    },
  );

  it('of a stream: progress under its own token, the answer under its own id, log messages only where it asked', async () => {
    const { send } = stubBridge(
      sessionServer({
        'tools/call': (seen) => {
          const progressToken = seen.body.params?._meta?.['progressToken'];
          seen.events(
            note('notifications/progress', { progressToken, progress: 1 }),
            note('notifications/progress', { progressToken: 'another', progress: 2 }),
            note('notifications/message', { level: 'info', data: 'hear' }),
            note('notifications/tools/list_changed', {}),
            { jsonrpc: '2.0', id: seen.body.id, result: text('streamed') },
          );
          seen.receiver.onEnd();
        },
      }),
    );
    const quiet = await send(call(7, { progressToken: 'mine' })).over;
    expect(quiet.messages()).toEqual([
      note('notifications/progress', { progressToken: 'mine', progress: 1 }),
      { jsonrpc: '2.0', id: 7, result: { resultType: 'complete', ...text('streamed') } },
    ]);
    const loud = await send(call(8, { 'io.modelcontextprotocol/logLevel': 'info' })).over;
    expect(loud.messages().map(({ method }) => method)).toEqual(['notifications/message', undefined]);
  });

  it('a wanted log level is set in a session of its own', async () => {
    const { send, seen } = stubBridge(sessionServer({ 'tools/call': ok }));
    await send(call(1)).over;
    await send(call(2, { 'io.modelcontextprotocol/logLevel': 'warning' })).over;
    const level = seen.find(({ body }) => body.method === 'logging/setLevel');
    expect(level?.body.params).toEqual({ level: 'warning' });
    expect(level?.request.session).toBe('up-2');
    expect(seen.at(-1)?.request.session).toBe('up-2');
  });

  it("the server's own error", async () => {
    const refuse = (seen: Seen) => seen.json(200, { jsonrpc: '2.0', id: seen.body.id, error: { code: -32602, message: 'no such tool' } });
    const { send } = stubBridge(sessionServer({ 'tools/call': refuse }));
    expect((await send(call(3)).over).messages()).toEqual([{ jsonrpc: '2.0', id: 3, error: { code: -32602, message: 'no such tool' } }]);
  });
});

describe('what goes wrong', () => {
  it('a session that is lost (404) is opened anew, and the call is sent once more', async () => {
    let lost = 1;
    const { send, methods } = stubBridge(sessionServer({ 'tools/call': (seen) => (lost-- > 0 ? seen.json(404, {}) : ok(seen)) }));
    expect(await send(call()).over).toMatchObject({ status: 200 });
    expect(methods().slice(-4)).toEqual(['tools/call', 'initialize', 'notifications/initialized', 'tools/call']);
  });

  it('a session that is lost again and again is a failure after two attempts', async () => {
    const { send, methods } = stubBridge(sessionServer({ 'tools/call': (seen) => seen.json(404, {}) }));
    expect(refusalOf(await send(call()).over)).toMatchObject({ reason: 'UPSTREAM_FAILED' });
    expect(methods().filter((method) => method === 'tools/call')).toHaveLength(2);
  });

  it.each([400, 500, 503])('A58: a call that is answered %i is not made again', async (status) => {
    const { send, methods } = stubBridge(sessionServer({ 'tools/call': (seen) => seen.json(status, { error: 'no valid session' }) }));
    expect(await send(call()).over).toMatchObject({ status });
    expect(methods().filter((method) => method === 'tools/call')).toHaveLength(1);
  });

  it('a session of which the server says 400 is not used again', async () => {
    let lost = 1;
    const lose = (seen: Seen) =>
      lost-- > 0 ? seen.json(400, { jsonrpc: '2.0', id: null, error: { code: -32000, message: 'No valid session' } }) : ok(seen);
    const { send, seen } = stubBridge(sessionServer({ 'tools/call': lose }));
    await send(call()).over;
    await send(call()).over;
    expect(seen.at(-1)?.request.session).toBe('up-2');
  });

  it('A58: a call whose connection breaks is not made again', async () => {
    const { send, methods } = stubBridge(
      sessionServer({ 'tools/call': (seen) => seen.receiver.onFailure({ kind: 'reset', sent: true, cause: undefined }) }),
    );
    expect((await send(call()).over).failure).toMatchObject({ kind: 'reset', sent: true });
    expect(methods().filter((method) => method === 'tools/call')).toHaveLength(1);
  });

  it("an answer under the client's id that is not this call's is none", async () => {
    const stray = { jsonrpc: '2.0', id: 'own', result: text("another's") };
    const streamed = stubBridge(sessionServer({ 'tools/call': (seen) => seen.events(stray) }));
    const cut = await streamed.send(call()).over;
    expect(cut.text).not.toContain("another's");
    expect(refusalOf(cut)).toMatchObject({ reason: 'UPSTREAM_FAILED' });
    expect(streamed.seen.at(-1)?.aborted).toBe(true);
    const whole = stubBridge(sessionServer({ 'tools/call': (seen) => seen.json(200, stray) }));
    expect((await whole.send(call()).over).text).not.toContain("another's");
  });

  it('an answer that is longer than the limit is none, in either form', async () => {
    const long = { jsonrpc: '2.0', id: 2, result: text('x'.repeat(20_000)) };
    for (const answer of [(seen: Seen) => seen.json(200, long), (seen: Seen) => seen.events(long)]) {
      const { send } = stubBridge(sessionServer({ 'tools/call': answer }));
      expect((await send(call()).over).failure).toMatchObject({ sent: true });
    }
  });

  it('a server that opens no session is a refusal, and nothing of the call was sent', async () => {
    const { send, methods } = stubBridge(sessionServer({ initialize: (seen) => seen.json(503, {}) }), { protocol: 'session' });
    const { failure } = await send(call()).over;
    expect(failure).toMatchObject({ sent: false, cause: { reason: 'UPSTREAM_FAILED', facts: { outcome: 'not-sent' } } });
    expect(methods()).toEqual(['initialize']);
  });
});

describe('cancellation', () => {
  it('closing the stream tells the server which call is meant', async () => {
    const started = Promise.withResolvers<Seen>();
    const { send, seen } = stubBridge(sessionServer({ 'tools/call': started.resolve }));
    const { exchange, over } = send(call());
    const running = await started.promise;
    exchange.abort();
    expect((await over).failure).toMatchObject({ kind: 'aborted', sent: true });
    expect(seen.at(-1)?.body).toMatchObject({ method: 'notifications/cancelled', params: { requestId: running.body.id } });
    expect(seen.at(-1)?.request).toMatchObject({ session: 'up-1', message: { kind: 'notification', method: 'notifications/cancelled' } });
    expect(running.aborted).toBe(true);
  });

  it('a client that leaves while the session is opened has sent nothing', async () => {
    const opening = Promise.withResolvers<Seen>();
    const { send, methods } = stubBridge(sessionServer({ initialize: opening.resolve, 'tools/call': ok }), { protocol: 'session' });
    const { exchange, over } = send(call());
    const opened = await opening.promise;
    exchange.abort();
    expect((await over).failure).toMatchObject({ kind: 'aborted', sent: false });
    opened.result({ protocolVersion: '2025-11-25', capabilities: {} });
    await new Promise(setImmediate);
    expect(methods()).not.toContain('tools/call');
    expect(methods()).not.toContain('notifications/cancelled');
  });

  it('its notification is taken here: the stream says it all', async () => {
    const { send, methods } = stubBridge(sessionServer(), { protocol: 'session' });
    const cancelled = requestOf('stateless', { method: 'notifications/cancelled', params: { requestId: 1 } });
    expect(await send(cancelled).over).toMatchObject({ status: 202, text: '' });
    expect(methods()).toEqual([]);
  });
});

describe('what is not bridged (docs/bridge.md)', () => {
  it.each(['sampling/createMessage', 'elicitation/create', 'roots/list'])(
    '%s of the server is answered with an error, and the call goes on',
    async (method) => {
      const { send, seen } = stubBridge(
        sessionServer({
          'tools/call': (one) => {
            one.events({ jsonrpc: '2.0', id: 'theirs', method, params: {} }, { jsonrpc: '2.0', id: one.body.id, result: text('went on') });
            one.receiver.onEnd();
          },
        }),
      );
      expect((await send(call()).over).messages()).toEqual([
        { jsonrpc: '2.0', id: 'own', result: { resultType: 'complete', ...text('went on') } },
      ]);
      const refusal = seen.find(({ body }) => body.id === 'theirs');
      expect(refusal?.body).toMatchObject({ error: { code: -32601, message: expect.stringContaining('2026-07-28') } });
      expect(refusal?.request).toMatchObject({ session: 'up-1', message: { kind: 'response' } });
    },
  );

  it('ping of the server is answered', async () => {
    const { send, seen } = stubBridge(
      sessionServer({
        'tools/call': (one) => {
          one.events({ jsonrpc: '2.0', id: 41, method: 'ping' }, { jsonrpc: '2.0', id: one.body.id, result: {} });
          one.receiver.onEnd();
        },
      }),
    );
    await send(call()).over;
    expect(seen.find(({ body }) => body.id === 41)?.body).toEqual({ jsonrpc: '2.0', id: 41, result: {} });
  });

  it('a stream that ends before the answer, to be polled, ends without one', async () => {
    const { send } = stubBridge(
      sessionServer({
        'tools/call': (one) => {
          one.receiver.onHead(200, { 'content-type': 'text/event-stream' });
          one.receiver.onChunk(Buffer.from('id: 1\nretry: 10\ndata: \n\n'));
          one.receiver.onEnd();
        },
      }),
    );
    expect(await send(call()).over).toMatchObject({ status: 200, text: '', ended: true });
  });

  it.each(['tasks/get', 'tasks/update', 'tasks/cancel'])('%s is refused with the reason', async (method) => {
    const { send, methods } = stubBridge(sessionServer(), { protocol: 'session' });
    const refused = await send(modern(method, { taskId: 't-1' })).over;
    expect(refusalOf(refused)).toMatchObject({ reason: 'UNKNOWN_METHOD', message: expect.stringContaining('not bridged') });
    expect(refused.failure?.sent).toBe(false);
    expect(methods()).toEqual([]);
  });
});

describe('the sessions that the bridge holds', () => {
  it('end when the bridge closes', async () => {
    const { send, seen, bridge } = stubBridge(sessionServer({ 'tools/call': ok }));
    await send(call()).over;
    await bridge.close();
    const [end] = seen.slice(-1);
    expect(end?.request).toMatchObject({ method: 'DELETE', session: 'up-1' });
    expect(end?.header('authorization')).toBe('Bearer upstream-secret');
    expect(end?.header('x-keygate-assertion')).toBeUndefined();
  });
});
