import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { upstreamConfig } from '../support/gateway.ts';
import { post, toolCall } from '../support/post.ts';
import { startRecordingUpstream } from '../support/recording-upstream.ts';
import { eventually, preparePlace } from './served.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const secret = 'a-secret-of-more-than-24-characters';
const calls = 40;

/** A receiver of records. It answers only once it is told to. */
async function startReceiver({ hangs }: { hangs: boolean }) {
  const received: string[] = [];
  const waiting: ServerResponse[] = [];
  let hanging = hangs;
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    let body = '';
    request.setEncoding('utf8').on('data', (chunk: string) => {
      body += chunk;
    });
    request.once('end', () => {
      if (hanging) return void waiting.push(response);
      received.push(body);
      response.writeHead(204).end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(async () => {
    server.closeAllConnections();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    received,
    asked: () => waiting.length,
    wake: () => {
      hanging = false;
    },
  };
}

it('A50: a sink that hangs holds up no call and no other sink; the journal has every record, and the sink gets them once it answers', async () => {
  const upstream = await startRecordingUpstream({ sessions: false });
  closers.push(() => upstream.close());
  const [stuck, sound] = [await startReceiver({ hangs: true }), await startReceiver({ hangs: false })];
  const hook = (url: string) => ({ url, secret, kinds: ['call.outcome'], timeoutMs: '3s' });
  const place = await preparePlace({ upstreams: { up: upstreamConfig(upstream.url) }, webhooks: [hook(stuck.url), hook(sound.url)] });
  closers.push(() => place.remove());
  const { key } = await place.mint({ scopes: ['read:up'] });
  const gate = await place.serve();
  const took: number[] = [];
  for (let n = 0; n < calls; n += 1) {
    const began = performance.now();
    expect((await post(`${gate.mcpUrl}/mcp/up`, { key, body: toolCall(`tool_${n}`) })).status).toBe(200);
    took.push(performance.now() - began);
  }
  // Less than one attempt of the sink's: nobody has waited for it.
  expect(Math.max(...took)).toBeLessThan(3_000);
  await eventually('the sink is asked', () => (stuck.asked() > 0 ? true : undefined), 15_000);
  await eventually('the other sink has all', () => (sound.received.length >= calls ? true : undefined), 15_000);
  expect(stuck.received).toEqual([]);
  expect((await fetch(`${gate.adminUrl}/readyz`)).status).toBe(200);
  expect(await place.journal('call.outcome')).toHaveLength(calls);
  stuck.wake();
  await eventually('the sink has all', () => (stuck.received.length >= calls ? true : undefined), 30_000);
  const toolsOf = (texts: readonly string[]) => new Set(texts.map((text) => /"tool":"(tool_\d+)"/.exec(text)?.[1]));
  expect(toolsOf(stuck.received)).toEqual(toolsOf(sound.received));
  expect(toolsOf(stuck.received).size).toBe(calls);
});
