import { Client as V2Client, StreamableHTTPClientTransport as V2Transport } from '@modelcontextprotocol/client';
import { Client as V1Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as V1Transport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport as V1TransportInterface } from '@modelcontextprotocol/sdk/shared/transport.js';
import {
  CreateMessageRequestSchema,
  type CreateMessageResult,
  ElicitRequestSchema,
  type ElicitResult,
  ListRootsRequestSchema,
  type ListRootsResult,
} from '@modelcontextprotocol/sdk/types.js';

/** What a client answers when its server asks something. `params` are the request's own. */
export interface Answers {
  sampling: (params: unknown) => CreateMessageResult | Promise<CreateMessageResult>;
  elicitation: (params: unknown) => ElicitResult | Promise<ElicitResult>;
  roots: () => ListRootsResult | Promise<ListRootsResult>;
}

export interface ConnectOptions extends Partial<Answers> {
  /** Instead of the global fetch, for instance to look at answers. */
  fetch?: (url: string | URL, init?: RequestInit) => Promise<Response>;
  /** More headers on every request. */
  headers?: Record<string, string>;
}

export type { V1Client, V2Client };

const ordinaryAnswers: Answers = {
  sampling: () => ({ role: 'assistant', model: 'test-model', content: { type: 'text', text: 'a sampled answer' }, stopReason: 'endTurn' }),
  elicitation: () => ({ action: 'accept', content: { name: 'Ada' } }),
  roots: () => ({ roots: [{ uri: 'file:///tmp/root', name: 'root' }] }),
};

const clientIdentity = { name: 'test-client', version: '1.0.0' };
const capabilities = { sampling: {}, elicitation: { form: {}, url: {} }, roots: { listChanged: true } };

/** The v1 SDK's client (session era, 2025-11-25). Close it with `client.close()`; `client.transport` gives the session id. */
export async function connectV1(url: string, bearer: string | undefined, options: ConnectOptions = {}): Promise<V1Client> {
  const answers = { ...ordinaryAnswers, ...options };
  const client = new V1Client(clientIdentity, { capabilities });
  client.setRequestHandler(CreateMessageRequestSchema, ({ params }) => answers.sampling(params));
  client.setRequestHandler(ElicitRequestSchema, ({ params }) => answers.elicitation(params));
  client.setRequestHandler(ListRootsRequestSchema, () => answers.roots());
  // The v1 declarations were not written for exactOptionalPropertyTypes; the class does implement the interface.
  await client.connect(new V1Transport(new URL(url), transportOptions(bearer, options)) as V1TransportInterface);
  return client;
}

/** The v2 SDK's client as it comes: the session era, with `initialize` and without a probe. */
export function connectV2Legacy(url: string, bearer: string | undefined, options: ConnectOptions = {}): Promise<V2Client> {
  return connectV2(url, bearer, options, 'legacy');
}

/** The v2 SDK's client pinned to 2026-07-28: `server/discover` must offer it, there is no fallback to `initialize`. */
export function connectV2Modern(url: string, bearer: string | undefined, options: ConnectOptions = {}): Promise<V2Client> {
  return connectV2(url, bearer, options, { pin: '2026-07-28' });
}

/** The v2 SDK's client that probes with `server/discover` and falls back to `initialize`. */
export function connectV2Auto(url: string, bearer: string | undefined, options: ConnectOptions = {}): Promise<V2Client> {
  return connectV2(url, bearer, options, 'auto');
}

async function connectV2(
  url: string,
  bearer: string | undefined,
  options: ConnectOptions,
  mode: 'legacy' | 'auto' | { pin: string },
): Promise<V2Client> {
  const answers = { ...ordinaryAnswers, ...options };
  const client = new V2Client(clientIdentity, { capabilities, versionNegotiation: { mode } });
  client.setRequestHandler('sampling/createMessage', ({ params }) => answers.sampling(params));
  client.setRequestHandler('elicitation/create', ({ params }) => answers.elicitation(params));
  client.setRequestHandler('roots/list', () => answers.roots());
  await client.connect(new V2Transport(new URL(url), transportOptions(bearer, options)));
  return client;
}

function transportOptions(bearer: string | undefined, options: ConnectOptions) {
  const authorization: Record<string, string> = bearer === undefined ? {} : { authorization: `Bearer ${bearer}` };
  return {
    requestInit: { headers: { ...authorization, ...options.headers } },
    ...(options.fetch === undefined ? {} : { fetch: options.fetch }),
  };
}
