import { connect, type Socket } from 'node:net';

/** One answer as it stood on the wire, with a chunked body put together. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

export interface RawExchange {
  readonly answers: RawAnswer[];
  /** True where the other side ended the connection within the time. */
  readonly closed: boolean;
}

/**
 * Writes bytes that no HTTP client would write and reads what comes back, until `answers` whole answers have come, the other
 * side closes, or `msMax` have passed. With `untilClosed` more answers than expected are seen too.
 */
export async function exchangeRaw(
  url: string,
  written: string | Buffer | readonly (string | Buffer)[],
  { answers = 1, untilClosed = false, msMax = 3_000 }: { answers?: number; untilClosed?: boolean; msMax?: number } = {},
): Promise<RawExchange> {
  const socket = openRaw(url);
  const { promise, resolve } = Promise.withResolvers<boolean>();
  // The answer to HEAD has the headers of an answer to GET, and no body (RFC 9110, section 9.3.2).
  const bodiless = String(written).startsWith('HEAD ');
  let received = '';
  socket.setEncoding('latin1');
  socket.on('data', (text: string) => {
    received += text;
    if (!untilClosed && parseAnswers(received, bodiless).length >= answers) resolve(false);
  });
  socket.once('close', () => resolve(true));
  socket.on('error', () => resolve(true));
  const late = setTimeout(() => resolve(false), msMax);
  for (const part of Array.isArray(written) ? written : [written]) socket.write(part as string | Buffer);
  const closed = await promise;
  clearTimeout(late);
  socket.destroy();
  return { answers: parseAnswers(received, bodiless), closed };
}

export function openRaw(url: string): Socket {
  const { hostname, port } = new URL(url);
  return connect(Number(port), hostname);
}

/** A POST as text, with Content-Length counted unless the headers bring their own framing. `lines` are whole header lines. */
export function rawPost({
  target = '/mcp/up',
  lines = [],
  body = '',
  host = 'localhost',
}: {
  target?: string;
  lines?: readonly string[];
  body?: string;
  host?: string;
}): string {
  const framed = lines.some((line) => /^(?:content-length|transfer-encoding)\s*:/i.test(line));
  const head = [
    `POST ${target} HTTP/1.1`,
    `Host: ${host}`,
    ...(lines.some((line) => /^content-type:/i.test(line)) ? [] : ['Content-Type: application/json']),
    ...(lines.some((line) => /^accept:/i.test(line)) ? [] : ['Accept: application/json, text/event-stream']),
    ...lines,
    ...(framed ? [] : [`Content-Length: ${Buffer.byteLength(body)}`]),
  ];
  return `${head.join('\r\n')}\r\n\r\n${body}`;
}

/** Whole answers in a text that may end in the middle of one. Interim answers (1xx) are left out. */
function parseAnswers(received: string, bodiless: boolean): RawAnswer[] {
  const found: RawAnswer[] = [];
  let rest = received;
  for (;;) {
    const end = rest.indexOf('\r\n\r\n');
    const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(rest)?.[1]);
    if (end < 0 || Number.isNaN(status)) return found;
    const headers = new Headers(
      rest
        .slice(0, end)
        .split('\r\n')
        .slice(1)
        .map((line): [string, string] => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]),
    );
    const body = bodiless ? { text: '', length: 0 } : bodyOf(headers, rest.slice(end + 4));
    if (!body) return found;
    if (status >= 200) found.push({ status, headers, text: Buffer.from(body.text, 'latin1').toString('utf8') });
    rest = rest.slice(end + 4 + body.length);
  }
}

function bodyOf(headers: Headers, rest: string): { text: string; length: number } | undefined {
  if (headers.get('transfer-encoding') !== 'chunked') {
    const length = Number(headers.get('content-length') ?? 0);
    return rest.length < length ? undefined : { text: rest.slice(0, length), length };
  }
  let text = '';
  for (let at = 0; ; ) {
    const lineEnd = rest.indexOf('\r\n', at);
    const size = Number.parseInt(rest.slice(at, lineEnd), 16);
    if (lineEnd < 0 || rest.length < lineEnd + 2 + size + 2) return undefined;
    text += rest.slice(lineEnd + 2, lineEnd + 2 + size);
    at = lineEnd + 2 + size + 2;
    if (size === 0) return { text, length: at };
  }
}
