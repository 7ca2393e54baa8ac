import { Denial } from '../domain/denial.ts';
import { filterList, type ListedItem, makePrivate } from '../domain/listing.ts';
import type { Message, MessageId, ResponseMessage } from '../domain/message.ts';
import { gateOf } from '../domain/method.ts';
import { prefixList } from '../domain/prefix.ts';
import { prefixLinks } from '../domain/result-links.ts';
import { scan } from '../domain/scan.ts';
import { mayUse } from './may-use.ts';
import type { Ports } from './ports.ts';
import type { Admitted } from './reached.ts';
import { pinnedTools } from './shown-tools.ts';

/** Answers are larger and deeper than calls, and real servers cut strings in the middle of a character. The bound in bytes is the reader's. */
const answerLimits = { depthMax: 256, nodesMax: 4_000_000, loneSurrogates: true } as const;

/** The upstream's bytes as one JSON-RPC message, or undefined where they are none. */
export function scanAnswer(bytes: Buffer): Message | undefined {
  const scanned = scan(bytes, answerLimits);
  return scanned.ok ? scanned.message : undefined;
}

/** True where this is the answer to that request: the same id, of the same type. */
export function isAnswerTo(message: Message | undefined, id: MessageId): message is ResponseMessage {
  return message?.kind === 'response' && message.id === id;
}

/** Longest time a client may keep what was cut down for its key (2026-07-28, caching). */
const ttlMsMax = 60_000;

/**
 * The answer's bytes as this caller may see them: lists filtered, tools that are held back hidden, their names prefixed at the path of an agent or a bot, shared caching
 * made private. Untouched otherwise (I4).
 * @throws Denial UPSTREAM_FAILED where the answer to a list method holds no list
 */
export function trimAnswer(
  ports: Pick<Ports, 'toolPins' | 'lists'>,
  admitted: Admitted,
  { method, message }: { method: string; message: ResponseMessage },
): Buffer {
  const { era, endpoint } = admitted;
  const gate = gateOf(method, era);
  if (message.outcome === 'error' || !gate) return message.bytes;
  const stateless = era === 'stateless';
  if (gate.by === 'filter') {
    const { member } = gate;
    const terms = { message, member, ...(stateless ? { private: { ttlMsMax } } : {}) };
    try {
      const list = ports.lists.read(admitted.upstream.name, terms);
      const isPinned = member === 'tools' ? pinnedTools(ports, admitted, list) : () => true;
      const keep = (item: ListedItem) => isPinned(item) && mayUse(admitted, member, item);
      if (endpoint.kind === 'upstream') return filterList({ ...terms, keep, list });
      const { prefix, uriPrefix } = endpoint;
      return prefixList({ ...terms, keep, list, prefix, uriPrefix, limits: answerLimits });
    } catch {
      throw new Denial('UPSTREAM_FAILED', { detail: `The upstream's ${member} are no list.`, facts: { outcome: 'unknown' } });
    }
  }
  const shared = (gate.by === 'uri' || gate.by === 'key') && gate.private === true;
  const linked = gate.by === 'uri' || gate.by === 'name' ? withLinks(admitted, message) : message;
  return stateless && shared ? makePrivate({ message: linked, ttlMsMax }) : linked.bytes;
}

/** Where several upstreams are read at one path, an answer's links lead back to the one that gave them. */
function withLinks({ endpoint }: Admitted, message: ResponseMessage): ResponseMessage {
  if (endpoint.kind === 'upstream' || endpoint.uriPrefix === undefined) return message;
  const bytes = prefixLinks({ message, prefix: endpoint.uriPrefix });
  if (bytes === message.bytes) return message;
  const linked = scanAnswer(bytes);
  if (linked?.kind !== 'response' || linked.id !== message.id) throw new Error('an answer with prefixed links no longer scans');
  return linked;
}
