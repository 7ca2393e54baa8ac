import type { IncomingHttpHeaders } from 'node:http';
import { Denial } from '../domain/denial.ts';

/** What every listener reads: two of them could be read two ways (measured: Node keeps the first, others join). */
const singles = [
  'host',
  'authorization',
  'content-length',
  'content-type',
  'content-encoding',
  'transfer-encoding',
  'origin',
  'mcp-session-id',
  'mcp-protocol-version',
  'mcp-method',
  'mcp-name',
  'last-event-id',
  'idempotency-key',
];
/** Each with a bit of its own. */
const single: ReadonlyMap<string, number> = new Map(singles.map((name, at) => [name, 1 << at]));

/** Names and values as they came, in turn, so that repeated ones are seen; and as Node read them. */
export interface HeaderForm {
  readonly rawHeaders: readonly string[];
  readonly headers: IncomingHttpHeaders;
  readonly httpVersion: string;
}

/** A request whose headers can be read two ways is read in no way. @throws Denial INVALID_MESSAGE */
export function refuseAmbiguousHeaders({ rawHeaders, headers, httpVersion }: HeaderForm): void {
  let seen = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]?.toLowerCase() ?? '';
    const bit = single.get(name);
    if (bit === undefined) continue;
    if (seen & bit) throw new Denial('INVALID_MESSAGE', { detail: `The header ${name} stands twice.` });
    seen |= bit;
  }
  // RFC 9112, section 6.1: a transfer coding in HTTP/1.0, or beside a length, has faulty framing.
  if (headers['transfer-encoding'] !== undefined && (httpVersion !== '1.1' || headers['content-length'] !== undefined)) {
    throw new Denial('INVALID_MESSAGE', { detail: 'The framing of the body is ambiguous.' });
  }
}

const loopback = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?$/;

/** @param host value of the Host header, lower case */
export function isLoopbackHost(host: string): boolean {
  return loopback.test(host);
}
