import { JsonWalk } from './json-walk.ts';
import type { ScanLimits, Span } from './message.ts';

/**
 * Where the elements of a batch stand (JSON-RPC 2.0, section 6; MCP 2025-03-26): each is one message's bytes, as they are. At most
 * `elementsMax + 1` are given, so that a caller sees that there are more. A string is why the body is no batch of messages.
 * @param bytes an array that was scanned as JSON within the same limits
 */
export function splitBatch(bytes: Buffer, { limits, elementsMax }: { limits: ScanLimits; elementsMax: number }): Span[] | string {
  const walk = new JsonWalk({ bytes, limits });
  const elements: Span[] = [];
  let objects = 0;
  if (walk.openArray()) {
    do {
      const start = walk.at;
      if (walk.isArray()) return 'A batch inside of a batch is no message.';
      if (walk.isObject()) objects += 1;
      walk.value();
      elements.push({ start, end: walk.at });
    } while (elements.length <= elementsMax && walk.moreElements());
  }
  if (elements.length === 0) return 'The batch is empty.';
  return objects === 0 ? 'The batch holds no message.' : elements;
}
