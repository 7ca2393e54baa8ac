import { createEraBridge, type EraBridge } from '../../../../src/adapters/upstream/bridge/era-bridge.ts';
import type { Era } from '../../../../src/domain/method.ts';
import type { Protocol } from '../../../../src/domain/policy.ts';
import { scan, scanLimits } from '../../../../src/domain/scan.ts';
import type { AnswerHeaders, AnswerReceiver, UpstreamExchange, UpstreamFailure, UpstreamRequest } from '../../../../src/ports/upstreams.ts';
import { steppedClock } from '../../../ports/subject.ts';
import { modernMeta } from '../../../support/eras.ts';

/** One exchange as the stubbed upstream sees it. */
export interface Seen {
  readonly request: UpstreamRequest;
  readonly receiver: AnswerReceiver;
  /** The body, parsed. */
  readonly body: Body;
  readonly aborted: boolean;
  header(name: string): string | undefined;
  json(status: number, body: unknown, headers?: AnswerHeaders): void;
  /** Opens an event stream with these messages; it stays open. */
  events(...messages: unknown[]): void;
  result(result: unknown, headers?: AnswerHeaders): void;
}

export interface Body {
  readonly id?: string | number;
  readonly method?: string;
  readonly params?: Record<string, unknown> & { _meta?: Record<string, unknown> };
  readonly [member: string]: unknown;
}

type Script = (seen: Seen) => void;

/** Answers by method; `GET` and `DELETE` stand for themselves, `*` for all others. What has no script gets no answer. */
export type Scripts = Readonly<Record<string, Script>>;

export interface Answered {
  status?: number;
  headers?: AnswerHeaders;
  text: string;
  ended: boolean;
  failure?: UpstreamFailure;
  /** Messages of an event stream, or the one JSON body. */
  messages(): Body[];
}

export interface Stub {
  readonly bridge: EraBridge;
  readonly seen: Seen[];
  readonly clock: ReturnType<typeof steppedClock>;
  readonly faults: unknown[];
  /** Of these methods only. */
  methods(): (string | undefined)[];
  /** Adds to the scripts, or replaces. */
  script(more: Scripts): void;
  send(request: UpstreamRequest): { exchange: UpstreamExchange; answered: Answered; over: Promise<Answered> };
}

export function stubBridge(scripts: Scripts, options: { protocol?: Protocol } = {}): Stub {
  let current = scripts;
  const seen: Seen[] = [];
  const faults: unknown[] = [];
  const clock = steppedClock();
  let ids = 0;
  const bridge = createEraBridge({
    upstreams: {
      dispatch(request, receiver) {
        const one = exchangeOf(request, receiver);
        seen.push(one.seen);
        const name = request.method === 'POST' ? (one.seen.body.method ?? 'response') : request.method;
        queueMicrotask(() => (current[name] ?? current['*'])?.(one.seen));
        return one.exchange;
      },
    },
    clock,
    log: { warn: () => undefined, fault: (_message, thrown) => void faults.push(thrown) },
    protocolOf: () => options.protocol ?? 'auto',
    limits: () => ({ answerBytesMax: 10_000, eventBytesMax: 10_000 }),
    newId: () => `nonce-${++ids}`,
  });
  return {
    ...{ bridge, seen, clock, faults },
    methods: () => seen.map(({ request, body }) => body.method ?? (request.method === 'POST' ? 'response' : request.method)),
    script(more) {
      current = { ...current, ...more };
    },
    send(request) {
      const over = Promise.withResolvers<Answered>();
      const answered: Answered = { text: '', ended: false, messages: () => messagesIn(answered.text) };
      const exchange = bridge.dispatch(request, {
        onHead: (status, headers) => void Object.assign(answered, { status, headers }),
        onChunk(chunk) {
          answered.text += chunk.toString();
          return true;
        },
        onEnd() {
          answered.ended = true;
          over.resolve(answered);
        },
        onFailure(failure) {
          answered.failure = failure;
          over.resolve(answered);
        },
      });
      return { exchange, answered, over: over.promise };
    },
  };
}

function exchangeOf(request: UpstreamRequest, receiver: AnswerReceiver): { seen: Seen; exchange: UpstreamExchange } {
  let aborted = false;
  const body = (request.body ? JSON.parse(request.body.toString()) : {}) as Body;
  const json: Seen['json'] = (status, answer, headers = {}) => {
    if (aborted) return;
    receiver.onHead(status, { 'content-type': 'application/json', ...headers });
    if (answer !== undefined) receiver.onChunk(Buffer.from(JSON.stringify(answer)));
    receiver.onEnd();
  };
  const seen: Seen = {
    ...{ request, receiver, body, json },
    get aborted() {
      return aborted;
    },
    header(name) {
      const at = request.headers.indexOf(name);
      return at < 0 ? undefined : request.headers[at + 1];
    },
    events(...messages) {
      receiver.onHead(200, { 'content-type': 'text/event-stream' });
      for (const message of messages) receiver.onChunk(Buffer.from(`data: ${JSON.stringify(message)}\n\n`));
    },
    result: (result, headers) => json(200, { jsonrpc: '2.0', id: body.id, result }, headers),
  };
  const abort = () => {
    if (aborted) return;
    aborted = true;
    receiver.onFailure({ kind: 'aborted', sent: true, cause: undefined });
  };
  return { seen, exchange: { resume: () => undefined, abort } };
}

function messagesIn(text: string): Body[] {
  const lines = text.split('\n').flatMap((line) => (line.startsWith('data: ') ? [line.slice(6)] : []));
  return (lines.length > 0 ? lines : [text]).filter((line) => line !== '').map((line) => JSON.parse(line) as Body);
}

const place = { upstream: 'up', url: 'http://up.test/mcp', headTimeoutMs: 5_000, silenceTimeoutMs: 5_000, long: false } as const;
const common = ['x-request-id', 'q1', 'x-keygate-assertion', 'eyJ', 'authorization', 'Bearer upstream-secret'];

/** A request as the stages hand it over. */
export function requestOf(
  era: Era,
  body: Record<string, unknown>,
  more: { session?: string; keyId?: string; headers?: string[] } = {},
): UpstreamRequest {
  const { session, keyId = 'ABCD1234', headers = [] } = more;
  const bytes = Buffer.from(JSON.stringify({ jsonrpc: '2.0', ...body }));
  const scanned = scan(bytes, scanLimits);
  if (!scanned.ok) throw new Error(scanned.detail);
  return {
    ...{ ...place, method: 'POST', era, keyId, body: bytes, message: scanned.message },
    ...(session === undefined ? {} : { session }),
    headers: [...headers, ...(session === undefined ? [] : ['mcp-session-id', session]), ...common],
  };
}

/** A stateless client's request. */
export function modern(method: string, params: Record<string, unknown> = {}, id: string | number = 'own'): UpstreamRequest {
  const { _meta, ...rest } = params;
  return requestOf('stateless', { id, method, params: { ...rest, _meta: { ...modernMeta, ...(_meta as object | undefined) } } });
}

/** A GET or a DELETE of a session client. */
export function bare(method: 'GET' | 'DELETE', session: string): UpstreamRequest {
  return {
    ...place,
    method,
    era: 'session',
    keyId: 'ABCD1234',
    session,
    headers: ['mcp-session-id', session, ...common],
    long: method === 'GET',
  };
}

export const capabilities = { tools: { listChanged: true }, resources: { subscribe: true, listChanged: true }, logging: {}, tasks: {} };
const serverInfo = { name: 'stub', version: '7' };

/** A server of sessions alone; `more` answers the rest. */
export function sessionServer(more: Scripts = {}): Scripts {
  let sessions = 0;
  return {
    initialize: (seen) =>
      seen.result(
        { protocolVersion: '2025-06-18', capabilities, serverInfo, instructions: 'Be kind.' },
        { 'mcp-session-id': `up-${++sessions}` },
      ),
    'notifications/initialized': (seen) => seen.json(202, undefined),
    'notifications/cancelled': (seen) => seen.json(202, undefined),
    'logging/setLevel': (seen) => seen.result({}),
    response: (seen) => seen.json(202, undefined),
    DELETE: (seen) => seen.json(200, undefined),
    'server/discover': (seen) => seen.json(400, { jsonrpc: '2.0', id: null, error: { code: -32000, message: 'Bad Request' } }),
    ...more,
  };
}

/** A server of 2026-07-28 alone. */
export function statelessServer(more: Scripts = {}): Scripts {
  const refuse = (seen: Seen) =>
    seen.json(400, { jsonrpc: '2.0', id: seen.body.id, error: { code: -32022, message: 'Unsupported protocol version' } });
  return {
    initialize: refuse,
    'server/discover': (seen) =>
      seen.result({
        ...{ resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities, instructions: 'Be kind.' },
        ...{ ttlMs: 0, cacheScope: 'public', _meta: { 'io.modelcontextprotocol/serverInfo': serverInfo } },
      }),
    'tools/list': (seen) => seen.result({ resultType: 'complete', tools: [], ttlMs: 0, cacheScope: 'public' }),
    ...more,
  };
}
