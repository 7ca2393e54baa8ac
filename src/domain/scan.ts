import { JsonStop } from './json-tokens.ts';
import { JsonWalk } from './json-walk.ts';
import type { Message, MessageId, ScanLimits, Scanned, Span } from './message.ts';
import { readId } from './message-id.ts';
import { type ParamsRead, readParams } from './params.ts';
import { unmetNeed } from './params-needs.ts';
import { type ResultRead, readResult } from './result-marks.ts';

/** Real messages stay far below both; a body of 4 MiB could hold a million members. */
export const scanLimits: ScanLimits = { depthMax: 64, nodesMax: 100_000 };

/** Longest method name, in bytes of its UTF-8. */
const methodBytesMax = 256;

const batchOffence = 'Batches are refused: send one message per request.';

/** What the envelope held so far. */
interface Envelope {
  version: boolean;
  /** null stands for an explicit null; undefined for none, or for one that is no id. */
  id: MessageId | null | undefined;
  idSpan: Span | undefined;
  idTwice: boolean;
  method: string | undefined;
  params: ParamsRead | undefined;
  result: Span | undefined;
  resultRead: ResultRead | undefined;
  error: Span | undefined;
  errorCode: number | undefined;
}

/**
 * Reads a body as one JSON-RPC 2.0 message, strictly and in one pass, so that it cannot be read two ways (I4):
 * RFC 8259 JSON in UTF-8 without a byte order mark, I-JSON's rules on names and surrogates (RFC 7493 sections 2.1
 * and 2.3), exactly the members of JSON-RPC 2.0, and the MCP members that decide with their right names and types.
 * Offsets are bytes. Never throws: what is not JSON is a PARSE_ERROR, what breaks another rule or a limit an
 * INVALID_MESSAGE; `detail` is public and repeats nothing of the body.
 */
export function scan(bytes: Buffer, limits: ScanLimits): Scanned {
  const envelope: Envelope = {
    version: false,
    id: undefined,
    idSpan: undefined,
    idTwice: false,
    method: undefined,
    params: undefined,
    result: undefined,
    resultRead: undefined,
    error: undefined,
    errorCode: undefined,
  };
  const walk = new JsonWalk({ bytes, limits });
  try {
    readEnvelope(walk, envelope);
  } catch (stop) {
    if (!(stop instanceof JsonStop)) throw stop;
    return refused(envelope, stop.reason, stop.message);
  }
  if (walk.offence !== undefined) {
    const scanned = refused(envelope, 'INVALID_MESSAGE', walk.offence);
    return walk.offence === batchOffence ? { ...scanned, array: bytes } : scanned;
  }
  const message = assemble(bytes, envelope);
  return typeof message === 'string' ? refused(envelope, 'INVALID_MESSAGE', message) : { ok: true, message };
}

function refused(envelope: Envelope, reason: 'PARSE_ERROR' | 'INVALID_MESSAGE', detail: string): Extract<Scanned, { ok: false }> {
  const { id, idTwice } = envelope;
  // An id with half a surrogate pair cannot be given back in UTF-8.
  const readable = !idTwice && (typeof id !== 'string' || id.isWellFormed());
  return { ok: false, reason, detail, id: readable ? (id ?? null) : null };
}

function readEnvelope(walk: JsonWalk, envelope: Envelope): void {
  if (walk.isArray()) walk.offend(batchOffence);
  else if (!walk.isObject()) walk.offend('A message is a JSON object.');
  if (!walk.isObject()) walk.value();
  else if (walk.openObject()) {
    do readMember(walk, envelope);
    while (walk.moreMembers());
  }
  walk.finish();
}

function readMember(walk: JsonWalk, envelope: Envelope): void {
  const at = walk.at;
  const name = walk.name();
  const start = walk.at;
  switch (name) {
    case 'jsonrpc':
      envelope.version = readText(walk) === '2.0';
      if (!envelope.version) walk.offend('jsonrpc must be "2.0".');
      return;
    case 'id':
      // Of two ids neither is the message's own: the refusal names none.
      envelope.idTwice = envelope.idSpan !== undefined;
      envelope.id = walk.isNull() ? nullId(walk) : readId(walk);
      envelope.idSpan = { start, end: walk.at };
      if (envelope.id === undefined) walk.offend('id must be a string of at most 256 bytes or an integer.');
      return;
    case 'method':
      envelope.method = readText(walk) ?? '';
      if (envelope.method === '' || Buffer.byteLength(envelope.method) > methodBytesMax) {
        walk.offend('method must be a string of 1 to 256 bytes.');
      }
      return;
    case 'params':
      if (walk.isObject()) envelope.params = readParams(walk);
      else {
        walk.offend('params must be an object.');
        walk.value();
      }
      return;
    case 'result':
      envelope.resultRead = readResult(walk);
      envelope.result = { start, end: walk.at };
      return;
    case 'error':
      envelope.errorCode = readErrorCode(walk);
      envelope.error = { start, end: walk.at };
      return;
    default:
      // This refuses "Method" and "ID" too, which some readers take for the names they resemble.
      walk.offend(`The member at byte ${at} is none of JSON-RPC 2.0.`);
      walk.value();
  }
}

function nullId(walk: JsonWalk): null {
  walk.value();
  return null;
}

function readText(walk: JsonWalk): string | undefined {
  const isString = walk.isString();
  walk.value();
  return isString ? walk.text() : undefined;
}

/** Reads `error` (JSON-RPC 2.0 section 5.1): an integer code and a message; anything may stand beside them. */
function readErrorCode(walk: JsonWalk): number | undefined {
  let code: number | undefined;
  let message: string | undefined;
  if (!walk.isObject()) walk.value();
  else if (walk.openObject()) {
    do {
      const name = walk.name();
      const isNumber = walk.isNumber();
      if (name === 'message') message = readText(walk);
      else walk.value();
      if (name === 'code') code = isNumber ? walk.safeInteger() : undefined;
    } while (walk.moreMembers());
  }
  if (code === undefined || message === undefined) walk.offend('error must be an object with an integer code and a message.');
  return code;
}

/** The message that the envelope holds, or the sentence that says why it is none. */
function assemble(bytes: Buffer, envelope: Envelope): Message | string {
  const { id, idSpan, method, result, error } = envelope;
  if (!envelope.version) return 'jsonrpc must be "2.0".';
  if (method === undefined) return assembleResponse(bytes, envelope);
  if (result !== undefined || error !== undefined) return 'A message has either a method or a result or error.';
  const params = envelope.params ?? { deciding: {}, wrong: [] };
  const unmet = unmetNeed(method, params);
  if (unmet !== undefined) return unmet;
  if (idSpan === undefined) return { kind: 'notification', bytes, method, params: params.deciding };
  if (id === null || id === undefined) return 'The id of a request must not be null.';
  return { kind: 'request', bytes, id, idSpan, method, params: params.deciding };
}

function assembleResponse(bytes: Buffer, envelope: Envelope): Message | string {
  const { id, idSpan, result, error, errorCode } = envelope;
  if (envelope.params !== undefined) return 'params stand without a method.';
  if (result !== undefined && error !== undefined) return 'A response has either a result or an error.';
  const body = result ?? error;
  if (body === undefined) return 'A message has a method, a result or an error.';
  if (idSpan === undefined || id === undefined || (id === null && error === undefined))
    return 'A response must have the id of its request.';
  const common = { kind: 'response', bytes, id, idSpan, body } as const;
  if (error === undefined) return { ...common, outcome: 'result', ...envelope.resultRead };
  return { ...common, outcome: 'error', ...(errorCode !== undefined && { errorCode }) };
}
