import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bench, startBench } from '../support/bench.ts';
import { hang, redirect, resetBeforeAnswer, status } from '../support/misbehaviours.ts';
import { post, toolCall } from '../support/post.ts';
import { openRaw } from '../support/raw-http.ts';
import type { RecordedRequest } from '../support/recorded-request.ts';
import { startRecordingServer } from '../support/recording-server.ts';
import type { Respond } from '../support/recording-upstream.ts';

let bench: Bench;

const echo: Respond = (request, response) => {
  response.writeHead(200, { 'content-type': 'text/plain', etag: '"1"', 'x-powered-by': 'secret-stack', 'set-cookie': 'a=b' });
  response.end(`${request.method} ${request.url}`);
};

beforeAll(async () => {
  bench = await startBench({
    up: {
      passthrough: [
        { path: '/admin/**', methods: ['GET', 'POST'], scope: 'admin:up' },
        { path: '/assets/**', scope: 'read:up' },
        { path: '/static/**', scope: 'read:up', to: '/files/v2' },
        { path: '/login', scope: 'read:up', cookies: true },
        { path: '/paid/*', methods: ['GET', 'PUT', 'DELETE'], scope: 'trade:up', price: '0.25' },
        { path: '/**', scope: 'read:up' },
      ],
    },
    also: { plain: { passthrough: [] } },
    config: { limits: { upstreamTimeoutMs: 400, holdMsMax: 5_000, bodyBytesMax: '2KiB', answerBytesMax: '8KiB' } },
  });
});
afterAll(() => bench.close());

interface Sent {
  readonly key?: string | undefined;
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  readonly respond?: Respond;
  readonly to?: string;
}

async function ask(path: string, { key = bench.key, method = 'GET', headers = {}, body, respond = echo, to = 'up' }: Sent = {}) {
  bench.upstream.script(respond);
  const before = bench.upstream.requests.length;
  const response = await fetch(`${bench.gate.url}/passthrough/${to}${path}`, {
    method,
    headers: { ...(key === '' ? {} : { authorization: `Bearer ${key}` }), ...headers },
    redirect: 'manual',
    ...(body === undefined ? {} : { body }),
  });
  const text = await response.text();
  const [reached] = bench.upstream.requests.slice(before) as (RecordedRequest | undefined)[];
  return { status: response.status, headers: response.headers, text, reached, sent: bench.upstream.requests.length - before };
}

const reasonOf = (text: string) => (JSON.parse(text) as { id: unknown; error: { data: { reason: string } } }).error.data.reason;

describe('pass-through routes', () => {
  it('reach what is declared, with the upstream’s credential in place of the caller’s', async () => {
    const {
      status: code,
      text,
      reached,
      headers,
    } = await ask('/assets/logo.svg?v=3', {
      headers: {
        accept: 'image/*',
        cookie: 'session=client',
        'x-api-key': 'client-key',
        'x-forwarded-for': '1.2.3.4',
        x_forwarded_for: '1.2.3.4',
        'x-http-method-override': 'DELETE',
        'proxy-authorization': 'Basic abc',
      },
    });
    expect({ code, text }).toEqual({ code: 200, text: 'GET /assets/logo.svg?v=3' });
    expect(reached?.headers).toMatchObject({
      authorization: 'Bearer upstream-secret',
      accept: 'image/*',
      host: expect.stringMatching(/^127/),
    });
    expect(Object.keys(reached?.headers ?? {}).sort()).toEqual(
      [
        'accept',
        'accept-encoding',
        'accept-language',
        'authorization',
        'connection',
        'host',
        'user-agent',
        'x-keygate-assertion',
        'x-request-id',
      ].sort(),
    );
    expect(JSON.stringify(reached?.rawHeaders)).not.toContain(bench.key);
    expect(headers.get('x-request-id')).toBe(reached?.headers['x-request-id']);
    expect(headers.get('etag')).toBe('"1"');
    for (const name of ['set-cookie', 'x-powered-by', 'server']) expect(headers.get(name)).toBeNull();
    expect(headers.get('cache-control')).toBe('private, no-cache');
  });

  it('are written down as an intent and an outcome, without the query', async () => {
    const { headers } = await ask('/paid/report?secret=sauce');
    await bench.settled();
    const [intent, outcome] = await bench.recordsOf(headers.get('x-request-id'));
    expect(intent).toMatchObject({
      kind: 'call.intent',
      method: 'http/GET',
      resource: '/paid/report',
      upstream: 'up',
      rule: 'up.passthrough[4]',
      held: '0.25',
    });
    expect(outcome).toMatchObject({ kind: 'call.outcome', status: 200, charged: '0.25', decision: 'allowed' });
    expect(JSON.stringify([intent, outcome])).not.toContain('sauce');
  });

  it('carry bodies within the bound, and HEAD where GET is declared', async () => {
    const put = await ask('/paid/x', { method: 'PUT', body: 'hello', headers: { 'content-type': 'text/plain' } });
    expect({ code: put.status, body: put.reached?.body, length: put.reached?.headers['content-length'] }).toEqual({
      code: 200,
      body: 'hello',
      length: '5',
    });
    const head = await ask('/assets/x', { method: 'HEAD' });
    expect({ code: head.status, method: head.reached?.method, text: head.text }).toEqual({ code: 200, method: 'HEAD', text: '' });
    const large = await ask('/paid/x', { method: 'PUT', body: 'x'.repeat(3_000) });
    expect({ code: large.status, sent: large.sent, reason: reasonOf(large.text) }).toEqual({
      code: 413,
      sent: 0,
      reason: 'MESSAGE_TOO_LARGE',
    });
  });

  it('rewrite a base, set cookies where declared, and keep 304', async () => {
    expect((await ask('/static/a/b%20c.css?x=1')).text).toBe('GET /files/v2/a/b%20c.css?x=1');
    expect((await ask('/login')).headers.getSetCookie()).toEqual(['a=b']);
    const unchanged = await ask('/assets/x', {
      headers: { 'if-none-match': '"1"' },
      respond: (_request, response) => void response.writeHead(304, { etag: '"1"' }).end(),
    });
    expect({ code: unchanged.status, asked: unchanged.reached?.headers['if-none-match'] }).toEqual({ code: 304, asked: '"1"' });
  });

  it('pass event streams at once and client errors as they are', async () => {
    const events = await ask('/assets/events', {
      respond: (_request, response) =>
        void response.writeHead(200, { 'content-type': 'text/event-stream' }).end('data: x\n\n'.repeat(2_000)),
    });
    expect({ code: events.status, length: events.text.length }).toEqual({ code: 200, length: 18_000 });
    const missing = await ask('/assets/none', { respond: status(404, { error: 'no such thing' }) });
    expect({ code: missing.status, text: missing.text }).toEqual({ code: 404, text: '{"error":"no such thing"}' });
  });
});

describe('what is refused reaches nobody', () => {
  const refusedWith = async (path: string, sent: Sent, expected: { code: number; reason: string }) => {
    const answer = await ask(path, sent);
    expect({ code: answer.status, reason: reasonOf(answer.text), sent: answer.sent }).toEqual({ ...expected, sent: 0 });
    expect(JSON.parse(answer.text)).toMatchObject({ jsonrpc: '2.0', id: null });
    return answer;
  };

  it('without a key, or with a dead one, whatever the path', async () => {
    const missing = await refusedWith('/no/such', { key: '', to: 'nobody' }, { code: 401, reason: 'TOKEN_MISSING' });
    expect(missing.headers.get('www-authenticate')).toContain('resource_metadata=');
    await refusedWith('/assets/x', { key: 'kg_live_nonsense' }, { code: 401, reason: 'TOKEN_INVALID' });
    const { key, id } = await bench.gate.mint({ scopes: ['manage'] });
    await bench.gate.authority.keyring.get(id);
    expect((await ask('/assets/x', { key })).status).toBe(200);
  });

  it('by kind, environment, address, binding, rate, scope and budget, as messages are', async () => {
    const mint = async (more: Record<string, unknown>) => (await bench.gate.mint({ scopes: ['manage'], ...more })).key;
    await refusedWith('/assets/x', { key: await mint({ environment: 'test' }) }, { code: 403, reason: 'WRONG_ENVIRONMENT' });
    await refusedWith('/assets/x', { key: await mint({ addresses: ['10.0.0.0/8'] }) }, { code: 403, reason: 'ADDRESS_NOT_ALLOWED' });
    await refusedWith('/assets/x', { key: await mint({ upstreams: ['plain'] }) }, { code: 403, reason: 'TOOL_NOT_ALLOWED' });
    await refusedWith('/admin/x', {}, { code: 403, reason: 'INSUFFICIENT_SCOPE' });
    const limited = await mint({ rate: { calls: 1, perSeconds: 60 } });
    expect((await ask('/assets/x', { key: limited })).status).toBe(200);
    await refusedWith('/assets/x', { key: limited }, { code: 429, reason: 'RATE_LIMITED' });
    const poor = await mint({ budgets: [{ amount: '0.30', per: 'total' }] });
    expect((await ask('/paid/x', { key: poor })).status).toBe(200);
    // A 200 would look like the answer.
    await refusedWith('/paid/x', { key: poor }, { code: 429, reason: 'BUDGET_EXHAUSTED' });
  });

  it.each([
    ...['/../mcp', '/assets/../mcp', '/assets/%2e%2e/mcp', '/assets/%2E%2E/x', '/assets//x', '//admin/x', '/assets/%2fx', '/assets/x%5cy'],
    ...['/assets/./x', '/%61dmin/x', '/admin;/x', '/assets/a;b=c', '/assets/%00', '/assets/%252e', '/assets/%zz', '/assets/%ff'],
    // The upstream may not mind the case, and the earlier route asks for more.
    ...['/Admin/x', '/ADMIN/x', '/aDmin/'],
    // The MCP endpoint has a gate of its own.
    ...['/mcp', '/mcp/', '/MCP', '/mcp/x', '/Mcp/'],
  ])('A12: %s is the path of nothing', async (path) => {
    bench.upstream.script(echo);
    const before = bench.upstream.requests.length;
    const socket = openRaw(bench.gate.url);
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    socket.write(
      `GET /passthrough/up${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${bench.key}\r\nConnection: close\r\n\r\n`,
    );
    await once(socket, 'close');
    expect(text).toMatch(/^HTTP\/1\.1 404 /);
    expect(text).toContain('UNKNOWN_ENDPOINT');
    expect(bench.upstream.requests.length).toBe(before);
  });

  it('nothing undeclared is reachable, by path, method or upstream', async () => {
    await refusedWith('/assets/x', { to: 'plain' }, { code: 404, reason: 'UNKNOWN_ENDPOINT' });
    await refusedWith('/assets/x', { to: 'nobody' }, { code: 404, reason: 'UNKNOWN_ENDPOINT' });
    const method = await refusedWith('/assets/x', { method: 'POST', body: 'x' }, { code: 405, reason: 'METHOD_NOT_ALLOWED' });
    expect(method.headers.get('allow')).toBe('GET, HEAD');
    await refusedWith(
      '/assets/x?key=kg_live_ABCDEFGH_0123456789012345678901234567890123456789012',
      {},
      { code: 400, reason: 'INVALID_MESSAGE' },
    );
    const foreign = await ask('/assets/x', { headers: { origin: 'https://evil.example' } });
    expect({ code: foreign.status, sent: foreign.sent }).toEqual({ code: 403, sent: 0 });
  });
});

describe('A49, A24: trouble upstream', () => {
  it.each<[string, Respond, { code: number; reason: string; journalled: number | string }]>([
    ['hangs', hang, { code: 504, reason: 'UPSTREAM_TIMEOUT', journalled: 'timeout' }],
    ['resets', resetBeforeAnswer, { code: 502, reason: 'UPSTREAM_FAILED', journalled: 'reset' }],
    ['fails', status(500, { stack: 'at secret.ts:1' }), { code: 502, reason: 'UPSTREAM_FAILED', journalled: 500 }],
    ['refuses the gateway', status(401, {}, { 'www-authenticate': 'Basic' }), { code: 502, reason: 'UPSTREAM_FAILED', journalled: 401 }],
    [
      'announces too much',
      (_request, response) => void response.writeHead(200, { 'content-length': 9_000 }).end('x'.repeat(9_000)),
      { code: 502, reason: 'UPSTREAM_FAILED', journalled: 200 },
    ],
  ])('one that %s', async (_name, respond, { code, reason, journalled }) => {
    const answer = await ask('/paid/x', { respond });
    expect({ code: answer.status, reason: reasonOf(answer.text), sent: answer.sent }).toEqual({ code, reason, sent: 1 });
    expect(answer.text).not.toContain('secret.ts');
    expect(answer.headers.get('www-authenticate')).toBeNull();
    await bench.settled();
    expect((await bench.recordsOf(answer.headers.get('x-request-id'))).at(-1)).toMatchObject({
      status: journalled,
      reason,
      charged: '0.25',
    });
  });

  it('a redirect is neither followed nor passed on', async () => {
    const target = await startRecordingServer((_request, response) => void response.end('x'));
    const answer = await ask('/assets/x', { respond: redirect(`http://127.0.0.1:${target.port}/x`, 302) });
    expect({ code: answer.status, location: answer.headers.get('location'), connections: target.connections() }).toEqual({
      code: 502,
      location: null,
      connections: 0,
    });
    await target.close();
  });

  it('an answer that grows too long, or ends early, is broken off and does not look complete', async () => {
    const long: Respond = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/plain' });
      response.write('x'.repeat(5_000));
      response.write('x'.repeat(5_000), () => response.end());
    };
    await expect(ask('/assets/x', { respond: long })).rejects.toThrow('terminated');
    const early: Respond = (_request, response) => {
      response.writeHead(200, { 'content-length': 1_000 });
      response.write('x'.repeat(10), () => response.socket?.resetAndDestroy());
    };
    await expect(ask('/assets/x', { respond: early })).rejects.toThrow('terminated');
    await bench.settled();
    await bench.alive();
  });

  it('a client that leaves takes its request with it', async () => {
    bench.upstream.script(hang);
    const before = bench.upstream.requests.length;
    const leaving = new AbortController();
    const asked = fetch(`${bench.gate.url}/passthrough/up/assets/x`, {
      headers: { authorization: `Bearer ${bench.key}` },
      signal: leaving.signal,
    }).catch(() => undefined);
    const [reached] = (await bench.upstream.received(before + 1)).slice(-1);
    leaving.abort();
    await asked;
    expect(await reached?.answered).toBe(false);
    expect((await bench.settled()).at(-1)).toMatchObject({ status: 'client-gone', method: 'http/GET' });
    expect(bench.gate.gateway.composed.live.size).toBe(0);
  });

  it('counts for the breaker like calls do', async () => {
    const own = await startBench({ up: { breaker: { failures: 2, openFor: '10s' }, passthrough: [{ path: '/x', scope: 'read:up' }] } });
    own.upstream.script(status(503));
    const get = async () => (await fetch(`${own.gate.url}/passthrough/up/x`, { headers: { authorization: `Bearer ${own.key}` } })).status;
    expect([await get(), await get(), await get()]).toEqual([502, 502, 503]);
    expect((await post(own.url, { key: own.key, body: toolCall('echo') })).json.error?.data.reason).toBe('UPSTREAM_UNAVAILABLE');
    expect(own.upstream.requests.length).toBe(2);
    await own.settled();
    await own.close();
  });
});
