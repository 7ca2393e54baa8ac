import { filterList, type ListedItem } from './listing.ts';
import type { RequestMessage, ResponseMessage, ScanLimits, Span } from './message.ts';
import type { MethodGate } from './method.ts';
import { scan } from './scan.ts';
import { splice } from './splice.ts';

/**
 * What stands before the names of an upstream's tools and prompts at the path of an agent or a bot. Upstream names have no `__` and
 * nothing that JSON escapes, so the prefix can be told from what follows and stands in a JSON string as it is.
 */
export function prefixOf(upstream: string): string {
  return `${upstream}__`;
}

/**
 * The request as the upstream is to get it: the tool or prompt it names has lost the prefix, every other byte stays, and what came
 * of it was scanned again (I4). The same message where the method names neither; undefined where the name has not the prefix.
 * @param options.gate the method's gate, which says what the method names
 * @throws Error where the result does not scan as the same message with the other name: a fault of this file
 */
export function withoutPrefix(options: {
  message: RequestMessage;
  gate: MethodGate | undefined;
  prefix: string;
  limits: ScanLimits;
}): RequestMessage | undefined {
  const { message, gate, prefix, limits } = options;
  const named = namedIn(message, gate);
  if (named === undefined) return message;
  if (!named.name.startsWith(prefix) || named.name.length === prefix.length) return undefined;
  const own = named.name.slice(prefix.length);
  const scanned = scan(splice(message.bytes, [shortening(message.bytes, { ...named, prefix, own })]), limits);
  const forwarded = scanned.ok ? scanned.message : undefined;
  if (forwarded?.kind !== 'request' || forwarded.id !== message.id || forwarded.method !== message.method) {
    throw new Error('a message without its prefix no longer scans');
  }
  if (namedIn(forwarded, gate)?.name !== own) throw new Error('a message without its prefix names something else');
  return forwarded;
}

/**
 * The list as the client is to see it: filtered as by filterList(), and every name that is kept has the prefix. Scanned again (I4).
 * @throws Error where the result is no list, or no longer scans
 */
export function prefixList(options: {
  message: ResponseMessage;
  member: 'tools' | 'prompts';
  keep: (item: ListedItem, all: readonly ListedItem[]) => boolean;
  prefix: string;
  private?: { ttlMsMax: number } | undefined;
  limits: ScanLimits;
}): Buffer {
  const bytes = filterList(options);
  if (bytes !== options.message.bytes && !scan(bytes, options.limits).ok) throw new Error('a list with prefixes no longer scans');
  return bytes;
}

/** The tool or prompt a request names, and where. */
function namedIn({ params }: RequestMessage, gate: MethodGate | undefined): { name: string; span: Span } | undefined {
  if (gate?.by === 'name') return pair(params.name, params.nameSpan);
  if (gate?.by === 'ref' && params.ref?.type === 'ref/prompt') return pair(params.ref.name, params.ref.nameSpan);
  return undefined;
}

function pair(name: string | undefined, span: Span | undefined): { name: string; span: Span } | undefined {
  return name === undefined || span === undefined ? undefined : { name, span };
}

/** Cuts just the prefix's bytes where they stand as they are; a name that spells them with escapes is written anew. */
function shortening(bytes: Buffer, { span, prefix, own }: { span: Span; prefix: string; own: string }): { span: Span; text: string } {
  const inside = { start: span.start + 1, end: span.start + 1 + prefix.length };
  const plain = bytes.toString('latin1', inside.start, inside.end) === prefix;
  return plain ? { span: inside, text: '' } : { span, text: JSON.stringify(own) };
}
