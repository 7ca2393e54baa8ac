import { createHash, randomUUID, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { localhostHostValidation, localhostOriginValidation, type NodeIncomingMessageLike, toWebRequest } from '@modelcontextprotocol/node';
import { createMcpHandler, isLegacyRequest, type McpServer, WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/server';
import { createMcpServer } from './mcp.ts';
import { createNotebook } from './notebook.ts';

/** Sessions kept at once; the oldest is closed to make room. */
const sessionsMax = 10_000;

interface Session {
  readonly server: McpServer;
  readonly transport: WebStandardStreamableHTTPServerTransport;
}

type Serve = (request: Request) => Promise<Response>;

/**
 * Starts the demo server on 127.0.0.1. `port` 0 lets the system choose one; the answer says which. Every request must carry
 * `Authorization: Bearer <token>`. Rejects when the port is taken.
 */
export async function startDemoServer(options: {
  port: number;
  token: string;
}): Promise<{ url: string; port: number; close(): Promise<void> }> {
  const sessions = new Map<string, Session>();
  const notebook = createNotebook(() => {
    for (const { server } of sessions.values()) server.sendResourceListChanged();
    stateless.notify.resourcesChanged();
  });
  const newServer = () => createMcpServer(notebook);
  const stateless = createMcpHandler(newServer, { legacy: 'reject' });
  const serveSession = createSessionEra(newServer, sessions);

  // Both eras of the protocol share one URL. The SDK tells them apart: a request of 2026-07-28 names its version in `_meta`.
  const serve: Serve = async (request) => {
    if (new URL(request.url).pathname !== '/mcp') return new Response('The MCP endpoint is /mcp.\n', { status: 404 });
    if (!carriesToken(request, options.token)) return unauthorized();
    return (await isLegacyRequest(request)) ? serveSession(request) : stateless.fetch(request);
  };

  const hostIsLocal = localhostHostValidation();
  const originIsLocal = localhostOriginValidation();
  const http = createServer((request, response) => {
    // Both guards answer 403 themselves: without them a web page could reach this port through the user's browser (DNS rebinding).
    if (!hostIsLocal(request, response) || !originIsLocal(request, response)) return;
    answer(request, response, serve).catch(() => (response.headersSent ? response.destroy() : response.writeHead(500).end()));
  });
  http.listen(options.port, '127.0.0.1');
  await once(http, 'listening');
  const address = http.address();
  const port = typeof address === 'object' && address !== null ? address.port : options.port;

  return {
    url: `http://127.0.0.1:${port}/mcp`,
    port,
    async close() {
      const closed = once(http, 'close');
      http.close();
      await Promise.all([...sessions.values()].map(({ server }) => server.close()));
      await stateless.close();
      http.closeAllConnections();
      await closed;
    },
  };
}

/** The era of sessions (2025-11-25 and before): `initialize` opens one, `Mcp-Session-Id` names it from then on, DELETE ends it. */
function createSessionEra(newServer: () => McpServer, sessions: Map<string, Session>): Serve {
  return async (request) => {
    const id = request.headers.get('mcp-session-id');
    if (id !== null) return sessions.get(id)?.transport.handleRequest(request) ?? sessionNotFound();

    const server = newServer();
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (opened) => {
        const [oldest] = sessions;
        if (oldest !== undefined && sessions.size >= sessionsMax) void oldest[1].server.close();
        sessions.set(opened, { server, transport });
      },
    });
    transport.onclose = () => sessions.delete(transport.sessionId ?? '');
    await server.connect(transport);
    // Anything but `initialize` is refused by the transport, because this session has not begun.
    return transport.handleRequest(request);
  };
}

/** Compares digests, which have one length, so that the time taken says nothing about the token. */
function carriesToken(request: Request, token: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(request.headers.get('authorization') ?? ''), digest(`Bearer ${token}`));
}

function unauthorized(): Response {
  const problem = { error: 'invalid_token', error_description: 'This server needs its own bearer token.' };
  return Response.json(problem, { status: 401, headers: { 'www-authenticate': 'Bearer realm="demo-notes", error="invalid_token"' } });
}

/** 404 tells a client to begin a new session (specification: basic/transports, session management). */
function sessionNotFound(): Response {
  return Response.json({ jsonrpc: '2.0', id: null, error: { code: -32001, message: 'Session not found' } }, { status: 404 });
}

/**
 * Connects node:http to the web-standard `serve`. Headers are flushed at once, because a client's GET stream may stay silent for
 * minutes and its `fetch` resolves only when headers arrive. When the client goes away the stream behind the answer is cancelled.
 */
async function answer(incoming: IncomingMessage, outgoing: ServerResponse, serve: Serve): Promise<void> {
  const gone = new AbortController();
  outgoing.once('close', () => gone.abort());
  const request = await toWebRequest(incoming as NodeIncomingMessageLike, undefined, { signal: gone.signal }).catch(isTooLarge);
  const response = request === undefined ? new Response(null, { status: 413, headers: { connection: 'close' } }) : await serve(request);
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  if (response.body === null) {
    outgoing.end();
    return;
  }
  outgoing.flushHeaders();
  await pipeline(Readable.fromWeb(response.body), outgoing);
}

/** `toWebRequest` reads at most 4 MiB and says so with a status; every other failure stays one. */
function isTooLarge(problem: unknown): undefined {
  if (problem instanceof Error && 'status' in problem && problem.status === 413) return undefined;
  throw problem;
}
