import { filterList, type ListedItem, type ReadList } from './listing.ts';
import type { RequestMessage, ResponseMessage, ScanLimits, Span } from './message.ts';
import type { ListMember, MethodGate } from './method.ts';
import { scan } from './scan.ts';
import { splice } from './splice.ts';

/**
 * What stands before the names of an upstream's tools, prompts and resources at `/mcp` and at the path of an agent or a bot. Upstream names
 * have no `__`, do not end in `_` and hold nothing that JSON escapes, so the prefix can be told from what follows and stands in a JSON string as it is.
 */
export function prefixOf(upstream: string): string {
  return `${upstream}__`;
}

/**
 * The request as the upstream is to get it: the tool, prompt or URI it names has lost the prefix, every other byte stays, and what came
 * of it was scanned again (I4). The same message where the method names none, or a URI as the upstream knows it; undefined where a name
 * has not the prefix.
 * @param options.gate the method's gate, which says what the method names
 * @param options.uriPrefixes what may stand before a URI
 * @throws Error where the result does not scan as the same message with the other name: a fault of this file
 */
export function withoutPrefix(options: {
  message: RequestMessage;
  gate: MethodGate | undefined;
  prefix: string;
  uriPrefixes?: readonly string[];
  limits: ScanLimits;
}): RequestMessage | undefined {
  const { message, gate, limits } = options;
  const named = namedIn(message, gate);
  if (named === undefined) return message;
  const prefix = named.isUri ? options.uriPrefixes?.find((each) => leaves(named.name, each)) : options.prefix;
  if (prefix === undefined) return message;
  if (!leaves(named.name, prefix)) return undefined;
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
 * The list as the client is to see it: filtered as by filterList(), and what is kept has the prefixes. Scanned again (I4).
 * @throws Error where the result is no list, or no longer scans
 */
export function prefixList(options: {
  message: ResponseMessage;
  member: ListMember;
  keep: (item: ListedItem) => boolean;
  list?: ReadList;
  prefix: string;
  uriPrefix?: string | undefined;
  private?: { ttlMsMax: number } | undefined;
  limits: ScanLimits;
}): Buffer {
  const bytes = filterList(options);
  if (bytes !== options.message.bytes && !scan(bytes, options.limits).ok) throw new Error('a list with prefixes no longer scans');
  return bytes;
}

interface Named {
  readonly name: string;
  readonly span: Span;
  readonly isUri: boolean;
}

/** The tool, prompt or URI a request names, and where. */
export function namedIn({ params }: RequestMessage, gate: MethodGate | undefined): Named | undefined {
  if (gate?.by === 'name') return named(params.name, params.nameSpan, false);
  if (gate?.by === 'uri') return named(params.uri, params.uriSpan, true);
  const { ref } = params;
  if (gate?.by !== 'ref' || !ref) return undefined;
  return ref.type === 'ref/prompt' ? named(ref.name, ref.nameSpan, false) : named(ref.uri, ref.uriSpan, true);
}

function named(name: string | undefined, span: Span | undefined, isUri: boolean): Named | undefined {
  return name === undefined || span === undefined ? undefined : { name, span, isUri };
}

/** A prefix alone names nothing. */
function leaves(name: string, prefix: string): boolean {
  return name.startsWith(prefix) && name.length > prefix.length;
}

/** Cuts just the prefix's bytes where they stand as they are; a name that spells them with escapes is written anew. */
function shortening(bytes: Buffer, { span, prefix, own }: { span: Span; prefix: string; own: string }): { span: Span; text: string } {
  const inside = { start: span.start + 1, end: span.start + 1 + prefix.length };
  const plain = bytes.toString('latin1', inside.start, inside.end) === prefix;
  return plain ? { span: inside, text: '' } : { span, text: JSON.stringify(own) };
}
