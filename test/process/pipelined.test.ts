import { once } from 'node:events';
import { afterEach, expect, it } from 'vitest';
import { upstreamConfig } from '../support/gateway.ts';
import { post, toolCall } from '../support/post.ts';
import { exchangeRaw, openRaw, rawPost } from '../support/raw-http.ts';
import { startRecordingUpstream } from '../support/recording-upstream.ts';
import { preparePlace } from './served.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const upgrade = (key = '') => {
  const lines = ['GET /passthrough/up/live HTTP/1.1', 'Host: localhost', ...(key === '' ? [] : [`Authorization: Bearer ${key}`])];
  const asks = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='];
  return `${[...lines, ...asks].join('\r\n')}\r\n\r\n`;
};

it('A08: an upgrade that is pipelined behind another request ends its connection, and nothing else', async () => {
  const upstream = await startRecordingUpstream({ sessions: false });
  closers.push(() => upstream.close());
  const passthrough = [{ path: '/live', scope: 'read:up', websocket: true }];
  const place = await preparePlace({ upstreams: { up: upstreamConfig(upstream.url, { passthrough }) } });
  closers.push(() => place.remove());
  const { key } = await place.mint({ scopes: ['read:up'] });
  const gate = await place.serve();
  const url = `${gate.mcpUrl}/mcp/up`;
  const body = JSON.stringify(toolCall('tool_0', {}, 'first'));
  for (const as of ['', key]) {
    const first = rawPost({ lines: as === '' ? [] : [`Authorization: Bearer ${as}`], body });
    for (const written of [first + upgrade(as), first + first + upgrade(as), upgrade(as) + upgrade(as), first + upgrade(as) + first]) {
      await exchangeRaw(url, written, { untilClosed: true, msMax: 1_000 });
    }
  }
  // Also where the first request is never ended.
  const socket = openRaw(url);
  socket.on('error', () => undefined);
  socket.write(rawPost({ lines: ['Content-Length: 10'], body: '1234567890' }) + upgrade());
  await Promise.race([once(socket, 'close'), once(socket, 'data')]).catch(() => undefined);
  socket.destroy();

  expect((await post(url, { key, body: toolCall('tool_0') })).status).toBe(200);
  expect(process.kill(gate.pid, 0)).toBe(true);
  expect(gate.stderr()).not.toMatch(/"level":60|uncaught/i);
  const began = performance.now();
  gate.kill();
  expect((await gate.exited).code).toBe(0);
  expect(performance.now() - began).toBeLessThan(10_000);
  expect((await place.journal('call.outcome')).length).toBe((await place.journal('call.intent')).length);
});

it('A61: requests that are pipelined behind a stream, which never ends, are cut off before they fill memory', async () => {
  const upstream = await startRecordingUpstream({ sessions: false });
  closers.push(() => upstream.close());
  const place = await preparePlace({ upstreams: { up: upstreamConfig(upstream.url) } });
  closers.push(() => place.remove());
  const { key } = await place.mint({ scopes: ['read:up'] });
  const gate = await place.serve();
  const rss = async () =>
    Number(/^process_resident_memory_bytes (\d+)$/m.exec(await (await fetch(`${gate.adminUrl}/metrics`)).text())?.[1]);
  const stream = `GET /mcp/up HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${key}\r\nAccept: text/event-stream\r\n\r\n`;
  const before = await rss();
  const socket = openRaw(`${gate.mcpUrl}/mcp/up`);
  socket.on('error', () => undefined);
  socket.resume();
  socket.write(stream);
  await upstream.received(1, ({ method }) => method === 'GET');
  const { promise: closed, resolve: close } = Promise.withResolvers<void>();
  socket.once('close', () => close());
  const many = Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(2_000));
  let cut = false;
  void closed.then(() => {
    cut = true;
  });
  for (let n = 0; n < 150 && !cut; n += 1) {
    if (socket.write(many)) continue;
    await Promise.race([new Promise<void>((resolve) => socket.once('drain', () => resolve())), closed]);
  }
  await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, 2_000))]);
  console.log(`pipelined: ${cut ? 'cut' : 'not cut'}, ${Math.round(((await rss()) - before) / 1024 / 1024)} MiB more`);
  expect(cut).toBe(true);
  expect((await rss()) - before).toBeLessThan(100 * 1024 * 1024);
  expect((await post(`${gate.mcpUrl}/mcp/up`, { key, body: toolCall('tool_0') })).status).toBe(200);
});
