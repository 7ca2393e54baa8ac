import type { MessageId, Scanned } from '../../../domain/message.ts';
import { scan } from '../../../domain/scan.ts';

/** As answers over HTTP are read: they are larger and deeper than calls, and real servers cut strings in the middle of a character. */
const limits = { depthMax: 256, nodesMax: 4_000_000, loneSurrogates: true } as const;

/** One message as it came from the other side of a link, on one line. */
export function readMessage(bytes: Buffer): Scanned {
  return scan(oneLine(bytes), limits);
}

/**
 * The same JSON on one line: line ends inside it are white space between its tokens, since no string may hold one (RFC 8259, section 7), and become
 * spaces. Every offset stays what it was. MCP's stdio transport ends a message at a line end.
 */
export function oneLine(bytes: Buffer): Buffer {
  if (!bytes.includes(0x0a) && !bytes.includes(0x0d)) return bytes;
  const flat = Buffer.from(bytes);
  for (let at = 0; at < flat.length; at += 1) if (flat[at] === 0x0a || flat[at] === 0x0d) flat[at] = 0x20;
  return flat;
}

/** The id that stands in something that is no message: what waits for it waits in vain. */
export function brokenId(scanned: Scanned): MessageId | null {
  return scanned.ok ? null : scanned.id;
}
