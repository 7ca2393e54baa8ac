import type { JsonWalk } from './json-walk.ts';
import type { MessageId } from './message.ts';

/** Longest string id, in bytes of its UTF-8. Ids are remembered, journalled and echoed. */
const idBytesMax = 256;

/**
 * Reads the value at hand and gives it as an id: a string of at most 256 bytes, or a safe integer written as one
 * (MCP forbids null; `1.0`, `1e2` and `-0` are spellings that another reader may give back differently). Undefined
 * for everything else; the value is read all the same.
 */
export function readId(walk: JsonWalk): MessageId | undefined {
  if (walk.isString()) {
    walk.string();
    const id = walk.text();
    return id.length > idBytesMax || Buffer.byteLength(id) > idBytesMax ? undefined : id;
  }
  const isNumber = walk.isNumber();
  walk.value();
  return isNumber ? walk.safeInteger() : undefined;
}
