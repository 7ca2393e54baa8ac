import { Denial } from '../../domain/denial.ts';
import { createEventReader } from '../../domain/events.ts';
import type { ResponseMessage } from '../../domain/message.ts';
import { scan } from '../../domain/scan.ts';
import type { AnswerHeaders, Upstreams } from '../../ports/upstreams.ts';

/** What came back to a message of the gateway's own. */
export interface Asked {
  readonly status: number;
  readonly session: string | undefined;
  readonly answer: ResponseMessage | undefined;
}

const answerBytesMax = 16 * 1024 * 1024;
const timeoutMs = 10_000;
/** Those of the answers that are relayed: what a client would be shown is read here too. */
const answerLimits = { depthMax: 256, nodesMax: 4_000_000, loneSurrogates: true } as const;

/** A message of the gateway's own, made here and not read. */
export interface AskedMessage {
  readonly jsonrpc: '2.0';
  readonly id?: number;
  readonly method: string;
  readonly params?: object;
}

/** Sends one message and reads the whole answer, JSON or events. @throws Denial UPSTREAM_FAILED or UPSTREAM_TIMEOUT */
export function ask(
  upstreams: Upstreams,
  options: { upstream: string; method: 'POST' | 'DELETE'; message: AskedMessage | undefined; headers: readonly string[] },
): Promise<Asked> {
  const { promise, resolve, reject } = Promise.withResolvers<Asked>();
  const chunks: Buffer[] = [];
  let bytes = 0;
  let late = false;
  let head: { status: number; headers: AnswerHeaders } | undefined;
  const exchange = upstreams.dispatch(
    {
      upstream: options.upstream,
      method: options.method,
      headers: [
        'accept',
        'application/json, text/event-stream',
        'content-type',
        'application/json',
        'accept-encoding',
        'identity',
        ...options.headers,
      ],
      ...(options.message ? { body: Buffer.from(JSON.stringify(options.message)) } : {}),
      headTimeoutMs: timeoutMs,
      silenceTimeoutMs: timeoutMs,
      long: false,
    },
    {
      onHead(status, headers) {
        head = { status, headers };
      },
      onChunk(chunk) {
        bytes += chunk.length;
        if (bytes > answerBytesMax) exchange.abort();
        else chunks.push(chunk);
        return true;
      },
      onEnd: () => resolve(read({ ...(head ?? { status: 0, headers: {} }), body: Buffer.concat(chunks), id: options.message?.id })),
      onFailure: ({ kind, cause }) => reject(new Denial(kind === 'timeout' || late ? 'UPSTREAM_TIMEOUT' : 'UPSTREAM_FAILED', { cause })),
    },
  );
  // The whole exchange, since a caller waits for it and an upstream may send a byte now and then.
  const timer = setTimeout(() => {
    late = true;
    exchange.abort();
  }, timeoutMs);
  return promise.finally(() => clearTimeout(timer));
}

function read(answered: { status: number; headers: AnswerHeaders; body: Buffer; id: number | undefined }): Asked {
  const { status, headers, body, id } = answered;
  const session = headers['mcp-session-id'];
  const events = String(headers['content-type'] ?? '').startsWith('text/event-stream');
  const texts = events
    ? createEventReader(answerBytesMax)
        .push(body)
        .flatMap(({ text }) => (text ? [Buffer.from(text)] : []))
    : [body];
  const answers = texts.map((text) => scan(text, answerLimits)).flatMap((scanned) => (scanned.ok ? [scanned.message] : []));
  return {
    status,
    session: typeof session === 'string' ? session : undefined,
    answer: answers.flatMap((message) => (message.kind === 'response' && message.id === id ? [message] : []))[0],
  };
}
