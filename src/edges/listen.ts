import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { getRequestListener, RequestError } from '@hono/node-server';
import { Turn } from '../domain/turn.ts';
import { type AnswerUnread, answerUnreadRequests, type UnreadAnswer } from './unread-request.ts';

/** How a Hono application is called. */
export type Fetch = Parameters<typeof getRequestListener>[0];

export interface ListenLimits {
  readonly headerBytesMax: number;
  readonly headersTimeoutMs: number;
  readonly bodyTimeoutMs: number;
  readonly connectionsMax: number;
}

export interface Listener {
  /** Where it listens, with the port the system chose when 0 was asked for. */
  readonly url: string;
  readonly server: Server;
  /**
   * Takes no more connections and closes idle ones; waits for `busy`, then gives answers that are still being written a
   * moment. A connection that never sent a request counts as busy for Node, so the rest is cut.
   */
  close(busy: Promise<unknown>): Promise<void>;
}

const keepAliveMs = 65_000;

/** Opens one listener with its limits on headers, time and connections. @throws Error with the address where it cannot */
export function listen(options: {
  fetch: Fetch;
  /** Asked before `fetch`; what it serves goes no further. */
  first?: (client: { incoming: IncomingMessage; outgoing: ServerResponse }) => Promise<void> | undefined;
  host: string;
  port: number;
  /** Whether other processes listen there too, and the system deals connections among them. */
  reusePort?: boolean | undefined;
  limits: ListenLimits;
  unread: AnswerUnread;
  /** Requests that may leave HTTP. Without it none may. */
  mayUpgrade?: (incoming: IncomingMessage) => boolean;
}): Promise<Listener> {
  const { fetch, first, host, port, reusePort = false, limits, unread, mayUpgrade = () => false } = options;
  const { promise, resolve, reject } = Promise.withResolvers<Listener>();
  const answer = getRequestListener(fetch, {
    overrideGlobalObjects: false,
    autoCleanupIncoming: false,
    // A Host or target that is no part of any URL: hono cannot make a request of it.
    errorHandler(error) {
      const status = error instanceof RequestError ? 400 : 500;
      return unreadResponse(status, unread(status, 'unknown'));
    },
  });
  const turn = new Turn(setImmediate);
  const begin = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    // The client has gone meanwhile: nobody would hear the answer.
    if (incoming.socket.destroyed) return;
    const served = first?.({ incoming, outgoing });
    if (!served) return void answer(incoming, outgoing);
    served.catch(() => answerFault(outgoing, unread(500, 'unknown')));
  };
  const waiting = new WeakMap<Socket, number>();
  const server = createServer(
    {
      maxHeaderSize: limits.headerBytesMax,
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.bodyTimeoutMs + limits.headersTimeoutMs,
      connectionsCheckingInterval: 1_000,
      keepAliveTimeout: keepAliveMs,
      noDelay: true,
      shouldUpgradeCallback: mayUpgrade,
    },
    (incoming, outgoing) => inTurn(waiting, outgoing, () => turn.add(() => begin(incoming, outgoing))),
  );
  answerUnreadRequests(server, unread);
  server.maxConnections = limits.connectionsMax;
  server.once('error', (cause) => reject(new Error(`cannot listen on ${host}:${port}: ${cause.message}`, { cause })));
  server.listen({ port, host, reusePort }, () => {
    const { address, family, port: chosen } = server.address() as AddressInfo;
    resolve({
      url: `http://${family === 'IPv6' ? `[${address}]` : address}:${chosen}`,
      server,
      close: (busy) => closeGently(server, busy),
    });
  });
  return promise;
}

/** Requests of one connection that may wait for the answer to the one before them. Node reads on whatever waits, and some 30 bytes become some 2,000. */
const pipelinedMax = 100;

/**
 * Pipelined requests are begun one after another. Node gives a response its connection when its turn has come; before,
 * nobody would hear that the client has gone, and a stream would stay open for nobody. A connection on which too many wait is cut (A61).
 */
function inTurn(waiting: WeakMap<Socket, number>, outgoing: ServerResponse, begin: () => void): void {
  if (outgoing.socket) {
    begin();
    return;
  }
  const { socket } = outgoing.req;
  const count = (waiting.get(socket) ?? 0) + 1;
  if (count > pipelinedMax) {
    socket.destroy();
    return;
  }
  waiting.set(socket, count);
  outgoing.once('socket', () => {
    waiting.set(socket, (waiting.get(socket) ?? 1) - 1);
    begin();
  });
}

function answerFault(outgoing: ServerResponse, { contentType, body }: UnreadAnswer): void {
  if (outgoing.headersSent) outgoing.destroy();
  else outgoing.writeHead(500, { 'content-type': contentType, 'cache-control': 'no-store', connection: 'close' }).end(body);
}

function unreadResponse(status: number, { contentType, body }: UnreadAnswer): Response {
  return new Response(body, { status, headers: { 'content-type': contentType, 'cache-control': 'no-store', connection: 'close' } });
}

const lastWritesMs = 500;

async function closeGently(server: Server, busy: Promise<unknown>): Promise<void> {
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  const looking = setInterval(() => server.closeIdleConnections(), 20);
  server.close(() => resolve());
  await busy;
  const cut = setTimeout(() => server.closeAllConnections(), lastWritesMs);
  await closed;
  clearTimeout(cut);
  clearInterval(looking);
}
