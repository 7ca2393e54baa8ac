import { Denial } from '../../domain/denial.ts';
import { createEventReader } from '../../domain/events.ts';
import type { ResponseMessage } from '../../domain/message.ts';
import { statelessVersion } from '../../domain/method.ts';
import { scan, scanLimits } from '../../domain/scan.ts';
import type { AnswerHeaders, UpstreamRequest, Upstreams } from '../../ports/upstreams.ts';

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

interface Question {
  readonly upstream: string;
  readonly method: 'POST' | 'DELETE';
  readonly message: AskedMessage | undefined;
  readonly headers: readonly string[];
  readonly url?: string | undefined;
  /** For whom it is asked; the gateway itself where absent. */
  readonly keyId?: string;
  /** For the whole exchange; 10 s where absent. */
  readonly timeoutMs?: number;
}

/** Sends one message and reads the whole answer, JSON or events. @throws Denial UPSTREAM_FAILED or UPSTREAM_TIMEOUT */
export function ask(upstreams: Upstreams, options: Question): Promise<Asked> {
  const within = options.timeoutMs ?? timeoutMs;
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
      ...(options.message ? bodyOf(JSON.stringify(options.message)) : {}),
      ...sessionOf(options.headers),
      ...(options.url === undefined ? {} : { url: options.url }),
      keyId: options.keyId ?? gatewayKeyId,
      headTimeoutMs: within,
      silenceTimeoutMs: within,
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
  }, within);
  return promise.finally(() => clearTimeout(timer));
}

/** Under this name an upstream keeps what it keeps for the gateway itself; no key has it. */
const gatewayKeyId = 'keygate';

/** A message of the gateway's own as an upstream is handed it: some read its bytes, some what it says. */
export function bodyOf(text: string): Required<Pick<UpstreamRequest, 'body' | 'message'>> {
  const body = Buffer.from(text);
  const scanned = scan(body, scanLimits);
  if (!scanned.ok) throw new Error('a message of the gateway does not scan');
  return { body, message: scanned.message };
}

function sessionOf(headers: readonly string[]): Pick<UpstreamRequest, 'era' | 'session'> {
  const headerOf = (name: string): string | undefined => {
    const at = headers.indexOf(name);
    return at < 0 ? undefined : headers[at + 1];
  };
  const session = headerOf('mcp-session-id');
  return {
    era: headerOf('mcp-protocol-version') === statelessVersion ? 'stateless' : 'session',
    ...(session === undefined ? {} : { session }),
  };
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
