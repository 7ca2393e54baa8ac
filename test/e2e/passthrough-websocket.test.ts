import { once } from 'node:events';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { patch } from '../../src/authority/patch.ts';
import { revoke } from '../../src/authority/revoke.ts';
import { createClosers, startBench } from '../support/bench.ts';
import { upstreamConfig } from '../support/gateway.ts';
import { hang } from '../support/misbehaviours.ts';
import { toolCall } from '../support/post.ts';
import { exchangeRaw, rawPost } from '../support/raw-http.ts';
import { openRawWebsocket, startEchoSockets } from '../support/raw-websocket.ts';

const closers = createClosers();
afterEach(() => closers.closeAll());

async function prepare(options: { refuse?: number; config?: Record<string, unknown> } = {}) {
  const echo = closers.keep(await startEchoSockets(options));
  const passthrough = [
    { path: '/live', scope: 'read:ws', websocket: true, price: '0.5' },
    { path: '/plain', scope: 'read:ws' },
    { path: '/secret', scope: 'admin:ws', websocket: true },
  ];
  const bench = closers.keep(
    await startBench({
      config: { ...options.config, upstreams: { ws: upstreamConfig(echo.url, { passthrough, breaker: { failures: 2 } }) } },
    }),
  );
  const open = (path = '/live', key = bench.key, lines: readonly string[] = []) =>
    openRawWebsocket(bench.gate.url, {
      path: `/passthrough/ws${path}`,
      lines: [...(key === '' ? [] : [`Authorization: Bearer ${key}`]), ...lines],
    });
  return { echo, bench, open };
}

describe('websockets that are passed through', () => {
  it('open with the upstream’s credential, carry bytes both ways, are held and charged, and end on both sides', async () => {
    const { echo, bench, open } = await prepare();
    const socket = open(
      '/live?room=1',
      bench.key,
      ['Cookie: a=client', 'Origin: ', 'Sec-WebSocket-Protocol: chat'].filter((line) => !line.startsWith('Origin')),
    );
    await socket.seen(/\r\n\r\n$/);
    expect(socket.text()).toMatch(/^HTTP\/1\.1 101 Switching Protocols\r\n/);
    expect(socket.text().toLowerCase()).toContain('sec-websocket-accept');
    expect(socket.text()).not.toMatch(/set-cookie|x-secret/i);
    const [request] = echo.opened;
    expect(request?.url).toBe('/live?room=1');
    expect(request?.headers).toMatchObject({ authorization: 'Bearer upstream-secret', 'sec-websocket-protocol': 'chat' });
    expect(request?.headers.cookie).toBeUndefined();
    expect(JSON.stringify(request?.rawHeaders)).not.toContain(bench.key);
    socket.socket.write('ping-1');
    await socket.seen(/ping-1/);
    expect(bench.gate.gateway.composed.live.size).toBe(1);
    expect((await bench.usage())[0]).toMatchObject({ held: 500_000 });
    expect(await (await fetch(`${bench.gate.adminUrl}/metrics`)).text()).toContain('keygate_upstream_inflight{upstream="ws"} 1');
    socket.socket.end();
    await socket.closed;
    await vi.waitFor(() =>
      expect({ live: bench.gate.gateway.composed.live.size, upstream: echo.connections() }).toEqual({ live: 0, upstream: 0 }),
    );
    const outcome = (await bench.settled()).at(-1);
    expect(outcome).toMatchObject({ method: 'http/upgrade', resource: '/live', status: 101, charged: '0.5' });
    expect(JSON.stringify(await bench.gate.journal())).not.toContain('room=1');
  });

  it('I3: are cut on both sides within a second when their key is revoked', async () => {
    const { echo, bench, open } = await prepare();
    const { key, id } = await bench.gate.mint({ scopes: ['read'] });
    const socket = open('/live', key);
    await socket.seen(/101 Switching/);
    const began = performance.now();
    await revoke(bench.gate.authority, id, { by: { via: 'cli' } });
    await socket.closed;
    expect(performance.now() - began).toBeLessThan(1_500);
    await vi.waitFor(() => expect(echo.connections()).toBe(0));
    expect((await bench.gate.journalled('call.outcome', 1)).at(-1)).toMatchObject({ status: 'TOKEN_REVOKED' });
  });

  it('are cut when their key loses the scope of the route, and not when it keeps it', async () => {
    const { bench, open } = await prepare();
    const { key, id } = await bench.gate.mint({ scopes: ['read:ws', 'trade'] });
    const socket = open('/live', key);
    await socket.seen(/101 Switching/);
    await patch(bench.gate.authority, id, { scopes: ['read:ws'] }, { via: 'cli' });
    await bench.gate.gateway.composed.live.heard('all');
    socket.socket.write('still-here');
    await socket.seen(/still-here/);
    await patch(bench.gate.authority, id, { scopes: ['read:other'] }, { via: 'cli' });
    await socket.closed;
    expect((await bench.gate.journalled('call.outcome', 1)).at(-1)).toMatchObject({ status: 'TOOL_NOT_ALLOWED' });
  });

  it('count as streams of their key', async () => {
    const { bench, open } = await prepare({ config: { limits: { streamsPerKeyMax: 1 } } });
    const first = open();
    await first.seen(/101 Switching/);
    const second = open();
    await second.closed;
    expect(second.text()).toMatch(/^HTTP\/1\.1 503 /);
    expect(second.text()).toContain('OVERLOADED');
    first.socket.destroy();
    await vi.waitFor(() => expect(bench.gate.gateway.composed.live.size).toBe(0));
    await bench.settled();
  });

  it('asked for behind a request that has no answer yet: the connection is closed, and nothing else', async () => {
    const { echo, bench } = await prepare();
    const authorization = `Authorization: Bearer ${bench.key}`;
    bench.upstream.script(hang);
    const upgrade = ['Host: localhost', authorization, 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'];
    const asked = `GET /passthrough/ws/live HTTP/1.1\r\n${upgrade.join('\r\n')}\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`;
    const call = rawPost({ lines: [authorization], body: JSON.stringify(toolCall('echo')) });
    const { answers, closed } = await exchangeRaw(bench.gate.url, call + asked, { untilClosed: true });
    expect({ answers, closed }).toEqual({ answers: [], closed: true });
    expect(echo.opened).toEqual([]);
    await bench.alive();
  });

  it('a drain ends them', async () => {
    const { echo, bench, open } = await prepare();
    const socket = open();
    await socket.seen(/101 Switching/);
    bench.gate.gateway.composed.live.endStreams();
    await socket.closed;
    await vi.waitFor(() => expect(echo.connections()).toBe(0));
  });
});

describe('what is refused opens nothing', () => {
  it.each<[string, { path?: string; key?: string; lines?: string[] }, string, string]>([
    ['without a key', { key: '' }, '401', 'TOKEN_MISSING'],
    ['without the scope', { path: '/secret' }, '403', 'INSUFFICIENT_SCOPE'],
    ['at a route that is no websocket', { path: '/plain' }, '404', 'UNKNOWN_ENDPOINT'],
    ['at the MCP endpoint', { path: '/mcp' }, '404', 'UNKNOWN_ENDPOINT'],
    ['from a foreign origin', { lines: ['Origin: https://evil.example'] }, '403', 'ORIGIN_NOT_ALLOWED'],
  ])('%s', async (_name, { path, key, lines }, code, reason) => {
    const { echo, open } = await prepare();
    const socket = open(path, key, lines);
    await socket.closed;
    expect(socket.text()).toMatch(new RegExp(`^HTTP/1\\.1 ${code} `));
    expect(socket.text()).toContain(reason);
    expect(echo.opened.length).toBe(0);
  });

  it('an upstream that does not open one is a failure, and nothing of its answer is shown', async () => {
    const { bench, open } = await prepare({ refuse: 503 });
    for (const reason of ['UPSTREAM_FAILED', 'UPSTREAM_FAILED', 'UPSTREAM_UNAVAILABLE']) {
      const socket = open();
      await socket.closed;
      expect(socket.text()).toContain(reason);
      expect(socket.text()).not.toMatch(/secret|set-cookie/i);
    }
    await bench.settled();
    await bench.alive();
  });

  it('a plain request at a websocket’s route finds nothing, and MCP is not upgraded', async () => {
    const { bench } = await prepare();
    const plain = await fetch(`${bench.gate.url}/passthrough/ws/live`, { headers: { authorization: `Bearer ${bench.key}` } });
    expect(plain.status).toBe(404);
    const socket = openRawWebsocket(bench.gate.url, { path: '/mcp/up', lines: [`Authorization: Bearer ${bench.key}`] });
    await socket.seen(/"reason"/);
    expect(socket.text()).toMatch(/^HTTP\/1\.1 406 /);
    socket.socket.destroy();
    await once(socket.socket, 'close').catch(() => undefined);
  });
});
