import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener, type HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { Hono } from 'hono';
import { Pool } from 'undici';

/**
 * The baseline of the load smoke: the same libraries and the same way through them as the gateway, without a single check. What it costs is
 * what relaying costs; what the gateway costs beyond it is keys, rules, ledger and journal. Its one argument is the upstream's URL.
 */
const { origin, pathname } = new URL(process.argv[2] ?? '');
const pool = new Pool(origin, { connections: 256, pipelining: 1 });

const app = new Hono<{ Bindings: HttpBindings }>();
app.post('/mcp/:name', async (c) => {
  const { incoming, outgoing } = c.env;
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  const { promise, resolve } = Promise.withResolvers<void>();
  pool.dispatch(
    { path: pathname, method: 'POST', headers: { 'content-type': 'application/json' }, body: Buffer.concat(chunks) },
    {
      onRequestStart() {},
      onResponseStart(_controller, status, { 'content-type': type, 'content-length': length }) {
        outgoing.writeHead(status, { 'content-type': String(type), 'content-length': String(length) });
      },
      onResponseData(_controller, chunk) {
        outgoing.write(chunk);
      },
      onResponseEnd() {
        outgoing.end();
        resolve();
      },
      onResponseError() {
        outgoing.destroy();
        resolve();
      },
    },
  );
  await promise;
  return RESPONSE_ALREADY_SENT;
});

const answer = getRequestListener(app.fetch as Parameters<typeof getRequestListener>[0], {
  overrideGlobalObjects: false,
  autoCleanupIncoming: false,
});
const server = createServer({ noDelay: true }, (incoming, outgoing) => void answer(incoming, outgoing));
server.keepAliveTimeout = 65_000;
server.listen(0, '127.0.0.1', () => console.log(`listening on ${(server.address() as AddressInfo).port}`));
