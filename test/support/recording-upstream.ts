import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { type RecordedRequest, rpcId, rpcMethod } from './recorded-request.ts';
import { type RecordingServer, startRecordingServer } from './recording-server.ts';

/**
 * Answers one request in place of the stub. `ordinary` gives the stub's own answer: a script may await it, change nothing and add a
 * delay, or not call it at all. See misbehaviours.ts for ready ones.
 */
export type Respond = (request: RecordedRequest, response: ServerResponse, ordinary: () => Promise<void>) => void | Promise<void>;

export interface RecordingUpstreamOptions {
  /** How many tools there are, `tool_0` upwards. Default 3. */
  tools?: number;
  /** More tools as they should stand in tools/list, before the numbered ones. */
  extraTools?: readonly Record<string, unknown>[];
  /** How requests are answered. Default `json`. */
  answer?: 'json' | 'sse';
  /** Milliseconds to wait before each answer. */
  delayMs?: number;
  /** Whether `initialize` gives an Mcp-Session-Id, which is then required. Default true. */
  sessions?: boolean;
  respond?: Respond;
}

export interface RecordingUpstream extends RecordingServer {
  readonly url: string;
  /** Replaces the script from the next request on; undefined brings the ordinary answers back. */
  script(respond: Respond | undefined): void;
  /** Received requests with this JSON-RPC method. */
  calls(method: string): RecordedRequest[];
  /** Sends a message on every open GET stream; answers how many there were. */
  push(message: unknown): number;
}

/**
 * A small MCP server of both eras that is written for tests: it records every request and its answers can be scripted. tools/call
 * answers with its own name and arguments as JSON text.
 */
export async function startRecordingUpstream(options: RecordingUpstreamOptions = {}): Promise<RecordingUpstream> {
  let script = options.respond;
  const sessions = new Set<string>();
  const streams = new Set<ServerResponse>();

  const ordinary = async (request: RecordedRequest, response: ServerResponse) => {
    if (options.delayMs !== undefined) await wait(options.delayMs);
    if (request.method === 'GET') return openStream(response, streams);
    if (request.method === 'POST') answerPost(request, response, options, sessions);
    else if (request.method === 'DELETE') sendStatus(response, sessions.delete(String(request.headers['mcp-session-id'])) ? 200 : 404);
    else sendStatus(response, 405);
  };

  const server = await startRecordingServer((request, response) => {
    const answer = () => ordinary(request, response);
    return script === undefined ? answer() : script(request, response, answer);
  });

  return {
    ...server,
    url: `http://127.0.0.1:${server.port}/mcp`,
    script(respond) {
      script = respond;
    },
    calls: (method) => server.requests.filter((request) => rpcMethod(request) === method),
    push(message) {
      for (const stream of streams) stream.write(`event: message\ndata: ${JSON.stringify(message)}\n\n`);
      return streams.size;
    },
  };
}

function answerPost(
  request: RecordedRequest,
  response: ServerResponse,
  options: RecordingUpstreamOptions,
  sessions: Set<string>,
): ServerResponse {
  const sessionId = request.headers['mcp-session-id'];
  if (typeof sessionId === 'string' && !sessions.has(sessionId)) {
    return sendJson(response, { jsonrpc: '2.0', id: null, error: { code: -32001, message: 'Session not found' } }, 404);
  }
  if (Array.isArray(request.message)) {
    const answers = request.message.flatMap((message: unknown) => answerTo({ ...request, message }, options) ?? []);
    return answers.length === 0 ? sendStatus(response, 202) : sendJson(response, answers);
  }
  const answer = answerTo(request, options);
  if (answer === undefined) return sendStatus(response, 202);
  if (rpcMethod(request) === 'initialize' && options.sessions !== false) {
    const opened = randomUUID();
    sessions.add(opened);
    response.setHeader('mcp-session-id', opened);
  }
  return options.answer === 'sse' ? sendEvent(response, answer) : sendJson(response, answer);
}

/** The JSON-RPC answer to one message; undefined for notifications and for answers to our own requests. */
export function answerTo(request: RecordedRequest, options: RecordingUpstreamOptions = {}): Record<string, unknown> | undefined {
  const { message } = request;
  const method = rpcMethod(request);
  if (method === undefined || typeof message !== 'object' || message === null || !('id' in message)) return undefined;
  const result = resultOf(method, 'params' in message ? message.params : undefined, options);
  const id = rpcId(request);
  return result === undefined
    ? { jsonrpc: '2.0', id, error: { code: -32601, message: `Method not found: ${method}` } }
    : { jsonrpc: '2.0', id, result: isModern(message) ? { resultType: 'complete', ...result } : result };
}

function resultOf(method: string, params: unknown, options: RecordingUpstreamOptions): Record<string, unknown> | undefined {
  const member = (name: string): unknown => (typeof params === 'object' && params !== null ? Reflect.get(params, name) : undefined);
  const identity = { name: 'recording-upstream', version: '1.0.0' };
  const capabilities = { tools: {}, resources: {}, prompts: {} };
  switch (method) {
    case 'initialize':
      return { protocolVersion: member('protocolVersion'), capabilities, serverInfo: identity };
    case 'server/discover':
      return {
        supportedVersions: ['2026-07-28'],
        capabilities,
        ttlMs: 60_000,
        cacheScope: 'public',
        _meta: { 'io.modelcontextprotocol/serverInfo': identity },
      };
    case 'ping':
      return {};
    case 'tools/list':
      return { tools: [...(options.extraTools ?? []), ...numberedTools(options.tools ?? 3)], ttlMs: 60_000, cacheScope: 'public' };
    case 'tools/call':
      return { content: [{ type: 'text', text: JSON.stringify({ name: member('name'), arguments: member('arguments') }) }] };
    case 'resources/list':
      return { resources: [{ uri: 'test://one', name: 'one' }], ttlMs: 0, cacheScope: 'public' };
    case 'resources/templates/list':
      return { resourceTemplates: [{ uriTemplate: 'test://{name}', name: 'any' }], ttlMs: 0, cacheScope: 'public' };
    case 'resources/read':
      return { contents: [{ uri: member('uri'), text: `text of ${String(member('uri'))}` }], ttlMs: 0, cacheScope: 'public' };
    case 'prompts/list':
      return { prompts: [{ name: 'prompt_0' }], ttlMs: 0, cacheScope: 'public' };
    case 'prompts/get':
      return { messages: [{ role: 'user', content: { type: 'text', text: String(member('name')) } }] };
    default:
      return undefined;
  }
}

function numberedTools(count: number): Record<string, unknown>[] {
  return Array.from({ length: count }, (_, index) => ({
    name: `tool_${index}`,
    description: `Tool number ${index}: answers with its own arguments`,
    inputSchema: { type: 'object' },
    annotations: { readOnlyHint: true },
  }));
}

/** A request of 2026-07-28 names its version in `params._meta`. */
function isModern(message: object): boolean {
  return JSON.stringify(message).includes('"io.modelcontextprotocol/protocolVersion":"2026-07-28"');
}

function openStream(response: ServerResponse, streams: Set<ServerResponse>): void {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' }).flushHeaders();
  streams.add(response);
  response.once('close', () => streams.delete(response));
}

/** Sends one JSON body with its length. */
export function sendJson(response: ServerResponse, body: unknown, status = 200, headers: Record<string, string> = {}): ServerResponse {
  const bytes = Buffer.from(JSON.stringify(body));
  return response.writeHead(status, { 'content-type': 'application/json', 'content-length': bytes.length, ...headers }).end(bytes);
}

/** Sends one message as a whole event stream. */
export function sendEvent(response: ServerResponse, message: unknown): ServerResponse {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  return response.end(`event: message\ndata: ${JSON.stringify(message)}\n\n`);
}

function sendStatus(response: ServerResponse, status: number): ServerResponse {
  return response.writeHead(status).end();
}
