import { JsonWalk } from './json-walk.ts';
import type { ScanLimits, Span } from './message.ts';

/** What passed the scanner under narrower bounds passes these. */
const limits: ScanLimits = { depthMax: 1_000, nodesMax: 100_000_000, loneSurrogates: true };

/**
 * Where the member at a path of names stands in a message that was scanned before, its value's text alone; undefined where there is none. Names are
 * compared decoded, and none stands twice in what was scanned, so there is one answer (I4).
 */
export function memberAt(bytes: Buffer, path: readonly string[]): Span | undefined {
  // Most messages have no such member, and a name that is not there in plain could only be written with escapes.
  const last = path.at(-1) ?? '';
  if (!bytes.includes(last) && !bytes.includes('\\')) return undefined;
  const walk = new JsonWalk({ bytes, limits });
  for (const name of path) if (!enter(walk, name)) return undefined;
  const start = walk.at;
  walk.value();
  return { start, end: walk.at };
}

/** Moves on to the value of a member of the object at hand. */
function enter(walk: JsonWalk, name: string): boolean {
  if (!walk.isObject() || !walk.openObject()) return false;
  do {
    if (walk.name() === name) return true;
    walk.value();
  } while (walk.moreMembers());
  return false;
}

const scalarBytesMax = 2_048;

/** The string or number that stands at a span; undefined for anything else. */
export function scalarAt(bytes: Buffer, span: Span | undefined): string | number | undefined {
  if (!span) return undefined;
  // Ids, tokens and names are short; whatever else stands here need not be read.
  if (span.end - span.start > scalarBytesMax) return undefined;
  const value: unknown = JSON.parse(bytes.toString('utf8', span.start, span.end));
  return typeof value === 'string' || typeof value === 'number' ? value : undefined;
}
