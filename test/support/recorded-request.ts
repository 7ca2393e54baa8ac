import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';

/** One HTTP request as it reached a test server. */
export interface RecordedRequest {
  readonly method: string;
  /** As on the request line: path and query, or an absolute form. */
  readonly url: string;
  /** Name, value, name, value … with the sender's case, order and repetitions. */
  readonly rawHeaders: readonly string[];
  readonly headers: IncomingHttpHeaders;
  /** The body's bytes; `body` is the same as UTF-8 text. */
  readonly bytes: Buffer;
  readonly body: string;
  /** The body parsed, or undefined when it is not JSON. */
  readonly message: unknown;
  /** `performance.now()` of this process: when the headers came and when the body was complete. */
  readonly startedAtMs: number;
  readonly receivedAtMs: number;
  /** Resolves true when the whole answer was sent, false when the connection went away before that. */
  readonly answered: Promise<boolean>;
}

/** Reads the whole body. Rejects when the sender goes away before its end. */
export async function recordRequest(request: IncomingMessage, answered: Promise<boolean>): Promise<RecordedRequest> {
  const startedAtMs = performance.now();
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const bytes = Buffer.concat(chunks);
  const body = bytes.toString('utf8');
  return {
    method: request.method ?? '',
    url: request.url ?? '',
    rawHeaders: request.rawHeaders,
    headers: request.headers,
    bytes,
    body,
    message: parse(body),
    startedAtMs,
    receivedAtMs: performance.now(),
    answered,
  };
}

/** The JSON-RPC method of a recorded POST, or undefined. */
export function rpcMethod(request: RecordedRequest): string | undefined {
  const { message } = request;
  const method = typeof message === 'object' && message !== null && 'method' in message ? message.method : undefined;
  return typeof method === 'string' ? method : undefined;
}

/** The JSON-RPC id of a recorded POST, or null. */
export function rpcId(request: RecordedRequest): string | number | null {
  const { message } = request;
  const id = typeof message === 'object' && message !== null && 'id' in message ? message.id : null;
  return typeof id === 'string' || typeof id === 'number' ? id : null;
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
