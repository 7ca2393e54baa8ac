import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Bench, createClosers, startBench } from '../../support/bench.ts';
import { upstreamConfig } from '../../support/gateway.ts';
import { exchangeRaw } from '../../support/raw-http.ts';
import { openRawWebsocket, startEchoSockets } from '../../support/raw-websocket.ts';

let bench: Bench;
let authorization: string;
const closers = createClosers();

beforeAll(async () => {
  bench = await startBench({
    up: {
      passthrough: [
        { path: '/secret/**', methods: ['GET', 'POST'], scope: 'admin:up' },
        { path: '/k/**', scope: 'admin:up' },
        { path: '/form', methods: ['POST'], scope: 'read:up' },
        { path: '/**', scope: 'read:up' },
      ],
    },
  });
  authorization = `Authorization: Bearer ${bench.key}`;
  bench.upstream.script((_request, response) => void response.writeHead(200, { 'content-type': 'text/plain' }).end('ok'));
});
afterAll(() => bench.close());
afterEach(async () => {
  await closers.closeAll();
  await bench.settled();
});

function route(
  path: string,
  { method = 'GET', lines = [], body = '' }: { method?: string; lines?: readonly string[]; body?: string } = {},
) {
  return `${method} /passthrough/up${path} HTTP/1.1\r\n${['Host: localhost', authorization, ...lines].join('\r\n')}\r\n\r\n${body}`;
}

/** The one answer, and what the upstream saw meanwhile. */
async function send(written: string) {
  const before = bench.upstream.requests.length;
  const { answers, closed } = await exchangeRaw(bench.gate.url, written, { untilClosed: written.includes('GET /smuggled'), msMax: 1_500 });
  const reason = /"reason":"([A-Z_]+)"/.exec(answers[0]?.text ?? '')?.[1];
  return { statuses: answers.map(({ status }) => status), reason, closed, seen: bench.upstream.requests.slice(before) };
}

describe('A12: a path that the server might take for one that asks for more', () => {
  it.each([
    // A long s is an S to whoever compares in upper case, the Kelvin sign a k to whoever compares in lower case.
    ...['/%C5%BFecret/x', '/%C5%BFECRET/x', '/%E2%84%AA/x'],
    // Full-width letters, for servers that normalise.
    ...['/%EF%BD%93ecret/x', '/%EF%BC%AB/x'],
    // File systems of Windows drop dots and spaces at the end of a name.
    ...['/secret./x', '/secret%20/x', '/secret..%20./x', '/Secret./x', '/k./x'],
    ...['/mcp.', '/mcp%20', '/MCP./', '/%EF%BD%8Dcp', '/mcp./x'],
  ])('%s is the path of nothing', async (path) => {
    expect(await send(route(path))).toMatchObject({ statuses: [404], reason: 'UNKNOWN_ENDPOINT', seen: [] });
  });

  it.each(['/open', '/a.b/c', '/a./b', '/secretly/x', '/stra%C3%9Fe', '/x/secret/y', '/mcp.json'])(
    '%s is what it looks like',
    async (path) => {
      const { statuses, seen } = await send(route(path));
      expect({ statuses, urls: seen.map(({ url }) => url) }).toEqual({ statuses: [200], urls: [path] });
    },
  );
});

describe('A13: the method that is judged is the method that is meant', () => {
  it.each(['?_method=DELETE', '?a=b&_METHOD=put', '?%5Fmethod=DELETE', '?x-http-method-override=DELETE', '?X-Method=DELETE', '?_method'])(
    'a query of %s is refused',
    async (query) => {
      const written = route(`/form${query}`, { method: 'POST', lines: ['Content-Length: 0'] });
      expect(await send(written)).toMatchObject({ statuses: [400], reason: 'INVALID_MESSAGE', seen: [] });
    },
  );

  it('headers that change the method stay here', async () => {
    const lines = ['X-HTTP-Method-Override: DELETE', 'X-HTTP-Method: DELETE', 'X-Method-Override: DELETE', 'Content-Length: 0'];
    const { statuses, seen } = await send(route('/form?method=x', { method: 'POST', lines }));
    expect(statuses).toEqual([200]);
    expect(seen[0]?.method).toBe('POST');
    expect(seen[0]?.rawHeaders.join('\n').toLowerCase()).not.toContain('override');
  });
});

describe('A10: a key never stands in an address', () => {
  const key = 'kg_live_AbCdEfGh_0123456789012345678901234567890123456789012345678';
  it.each([
    `?key=${key}`,
    `?key=${key.replaceAll('_', '%5F')}`,
    `?${key}`,
    `?a=Bearer%20${key}`,
    `?a=${key.replace('kg', 'k%67')}`,
    `?a[]=${key}`,
  ])('as in %s', async (query) => {
    expect(await send(route(`/open${query}`))).toMatchObject({ statuses: [400], reason: 'INVALID_MESSAGE', seen: [] });
    expect(bench.gate.logged()).not.toContain(key);
  });

  it.each(['Accept', 'User-Agent', 'If-None-Match', 'Prefer', 'Range', 'Traceparent', 'Idempotency-Key'])(
    'nor in the header %s',
    async (name) => {
      const { seen } = await send(route('/open', { lines: [`${name}: ${bench.key}`] }));
      expect(seen).toHaveLength(1);
      expect(seen[0]?.rawHeaders.join('\n')).not.toContain(bench.key);
    },
  );
});

describe('A11: headers that a server might believe', () => {
  it('claims, hop-by-hop tricks and doubled spellings stay here, and the gateway’s own headers arrive', async () => {
    const lines = [
      ...[
        'X-Forwarded-For: 1.1.1.1',
        'X_Forwarded_For: 1.1.1.1',
        'Forwarded: for=1.1.1.1',
        'X-Real-IP: 1.1.1.1',
        'X-Original-URL: /secret/x',
      ],
      ...['X-Rewrite-URL: /secret/x', 'X-Keygate-Assertion: forged', 'X-Request-Id: forged', 'X-Forwarded-Prefix: /secret', 'Via: 1.1 x'],
      // What Connection names, a proxy drops: the credential and the assertion must not go that way (RFC 9110, section 7.6.1).
      'Connection: keep-alive, authorization, x-keygate-assertion, x-request-id',
      ...[
        'Proxy-Connection: keep-alive',
        'Keep-Alive: timeout=1',
        'TE: trailers',
        'Trailer: authorization',
        'Cookie: a=b',
        'Referer: http://x/',
      ],
    ];
    const { statuses, seen } = await send(route('/open', { lines }));
    expect(statuses).toEqual([200]);
    const [request] = seen;
    expect(Object.keys(request?.headers ?? {}).sort()).toEqual([
      'authorization',
      'connection',
      'host',
      'x-keygate-assertion',
      'x-request-id',
    ]);
    expect(request?.headers).toMatchObject({
      authorization: 'Bearer upstream-secret',
      'x-request-id': expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
    expect(String(request?.headers.connection)).toMatch(/^(?:close|keep-alive)$/);
    expect(String(request?.headers['x-keygate-assertion']).split('.')).toHaveLength(3);
    expect(request?.headers.host).toMatch(/^127\.0\.0\.1:\d+$/);
  });
});

describe('A08: framing on routes', () => {
  const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n';
  it.each<[string, readonly string[], string]>([
    ['a length and a transfer coding', ['Content-Length: 4', 'Transfer-Encoding: chunked'], `0\r\n\r\n${smuggled}`],
    ['two lengths', ['Content-Length: 0', `Content-Length: ${smuggled.length}`], smuggled],
    ['an unknown coding', ['Transfer-Encoding: xchunked'], smuggled],
    ['a coding in HTTP/1.0', ['Transfer-Encoding: chunked'], `0\r\n\r\n${smuggled}`],
  ])('%s: 400, and what follows is nobody’s request', async (name, lines, body) => {
    const written = route('/form', { method: 'POST', lines, body });
    const { statuses, seen, closed } = await send(name.includes('1.0') ? written.replace('HTTP/1.1', 'HTTP/1.0') : written);
    expect({ statuses, seen, closed }).toEqual({ statuses: [400], seen: [], closed: true });
  });

  it('a GET with a body is refused, and the body is no request', async () => {
    const { statuses, seen } = await send(route('/open', { lines: [`Content-Length: ${smuggled.length}`], body: smuggled }));
    expect({ statuses, seen }).toEqual({ statuses: [400], seen: [] });
  });

  it('a handshake that the server refuses leaves no tunnel: what was sent behind it reaches nobody', async () => {
    const echo = closers.keep(await startEchoSockets({ refuse: 426 }));
    const own = closers.keep(
      await startBench({
        config: { upstreams: { ws: upstreamConfig(echo.url, { passthrough: [{ path: '/live', scope: 'read:ws', websocket: true }] }) } },
      }),
    );
    const socket = openRawWebsocket(own.gate.url, { path: '/passthrough/ws/live', lines: [`Authorization: Bearer ${own.key}`] });
    socket.socket.write('GET /secret/x HTTP/1.1\r\nHost: x\r\n\r\n');
    await socket.closed;
    expect(socket.text().match(/HTTP\/1\.1 /g)).toHaveLength(1);
    expect(socket.text()).toMatch(/^HTTP\/1\.1 502 /);
    expect(echo.opened).toHaveLength(1);
    await vi.waitFor(() => expect(echo.connections()).toBe(0));
    await own.settled();
    expect((await own.gate.journal('call.intent')).map(({ method }) => method)).toEqual(['http/upgrade']);
  });

  it.each([
    ['without a key', ''],
    ['with a key, where there is no websocket', 'own'],
  ])('A54: a refused upgrade %s leaves no connection behind, whatever the client goes on sending', async (_name, as) => {
    const own = await startBench();
    const sockets = Array.from({ length: 20 }, () =>
      openRawWebsocket(own.gate.url, {
        path: '/passthrough/up/live',
        lines: as === '' ? [] : [`Authorization: Bearer ${own.key}`],
      }),
    );
    for (const { socket } of sockets) socket.write('x'.repeat(200_000));
    await Promise.all(sockets.map(({ seen }) => seen(/"reason"/)));
    for (const { socket } of sockets) socket.destroy();
    // A gateway that is drained waits for every connection.
    const began = performance.now();
    await own.close();
    expect(performance.now() - began).toBeLessThan(2_000);
  });
});
