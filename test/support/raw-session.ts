import { messagesOf, type OpenStream, openStream } from './event-text.ts';
import { type Posted, post } from './post.ts';

const version = '2025-11-25';

/** A session as a client of no SDK keeps it: what goes out is exactly what a test says. */
export interface RawSession {
  readonly id: string;
  /** One message; every message of the answer, JSON or events. */
  send(message: object | string): Promise<{ status: number; messages: Record<string, unknown>[]; json: Posted; text: string }>;
  /** One tool call, answered or refused. @returns the parsed text of the result's first part */
  call(name: string, args?: Record<string, unknown>, more?: { id?: string | number; meta?: object }): Promise<unknown>;
  /** One message, and its answer as it comes. */
  follow(message: object): Promise<OpenStream>;
  /** Opens the session's own stream. */
  listen(): Promise<OpenStream>;
  /** DELETE. @returns the status */
  end(): Promise<number>;
}

/** What the server of stdio-server.ts has seen so far. */
export type SeenMessage = {
  method?: string;
  id?: unknown;
  params?: { name?: string; requestId?: unknown; uri?: string; _meta?: { progressToken?: unknown } };
};

/** Resolves once that server has a call of this tool. */
export async function reached(session: RawSession, tool: string): Promise<void> {
  for (;;) {
    const seen = (await session.call('seen', {}, { id: 'reached' })) as SeenMessage[];
    if (seen.some(({ params }) => params?.name === tool)) return;
  }
}

/** @throws Error, with the answer, where initialize is refused */
export async function beginSession(url: string, key: string, capabilities: object = {}): Promise<RawSession> {
  const params = { protocolVersion: version, capabilities, clientInfo: { name: 'raw', version: '1' } };
  const begun = await post(url, { key, body: { jsonrpc: '2.0', id: 0, method: 'initialize', params } });
  const id = begun.headers.get('mcp-session-id');
  if (id === null) throw new Error(`no session: ${begun.status} ${begun.text}`);
  const headers = { 'mcp-session-id': id, 'mcp-protocol-version': version };
  const send: RawSession['send'] = async (message) => {
    const { status, text, json, headers: answered } = await post(url, { key, body: message, headers });
    const events = answered.get('content-type')?.startsWith('text/event-stream') ?? false;
    const messages = events ? messagesOf(text) : text === '' ? [] : [json as Record<string, unknown>];
    return { status, messages, json: (messages.at(-1) ?? {}) as Posted, text };
  };
  await send({ jsonrpc: '2.0', method: 'notifications/initialized' });
  return {
    id,
    send,
    async call(name, args = {}, { id: callId = 1, meta } = {}) {
      const params = { name, arguments: args, ...(meta && { _meta: meta }) };
      const { json, status } = await send({ jsonrpc: '2.0', id: callId, method: 'tools/call', params });
      if (json.id !== callId) throw new Error(`${status}: an answer with the id ${String(json.id)} to ${String(callId)}`);
      if (!json.result) throw Object.assign(new Error(`${status} ${JSON.stringify(json.error)}`), { status, error: json.error });
      const [part] = json.result['content'] as { text: string }[];
      return JSON.parse(part?.text ?? 'null');
    },
    follow(message) {
      const accept = 'application/json, text/event-stream';
      const sent = { ...headers, accept, authorization: `Bearer ${key}`, 'content-type': 'application/json' };
      return openStream(url, { method: 'POST', headers: sent, body: JSON.stringify(message) });
    },
    listen: () => openStream(url, { headers: { ...headers, accept: 'text/event-stream', authorization: `Bearer ${key}` } }),
    async end() {
      return (await fetch(url, { method: 'DELETE', headers: { ...headers, authorization: `Bearer ${key}` } })).status;
    },
  };
}
