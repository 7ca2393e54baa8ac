import type { RequestMessage, ResponseMessage } from '../domain/message.ts';
import { gateOf } from '../domain/method.ts';
import { lentBytesMin } from '../domain/read-memory.ts';
import { splice } from '../domain/splice.ts';
import type { UpstreamFailure } from '../ports/upstreams.ts';
import { collect, joined } from './collect.ts';
import { expectedAnswer } from './expected-answer.ts';
import type { Admitted } from './reached.ts';
import { isAnswerTo, scanAnswer } from './read-answer.ts';
import {
  type Answer,
  encodingDenial,
  type ForwardPorts,
  failedEnding,
  noAnswerDenial,
  type Relay,
  type RelayEnd,
  upstreamDenial,
} from './relay.ts';
import { sealedSession } from './sealed-session.ts';
import { showAnswer } from './show-answer.ts';
import { statusDenial } from './status-denial.ts';
import { weighAnswer } from './weigh-answer.ts';

/**
 * One JSON answer, read whole within `answerBytesMax` and judged before the client sees a byte: it must be the answer to
 * this request and to no other. HTML, broken JSON, a wrong id or an endless body become UPSTREAM_FAILED with the caller's own id.
 */
export function relayMessage(ports: ForwardPorts, admitted: Admitted, answer: Answer): Relay {
  const { answerBytesMax, upstreamTimeoutMs } = admitted.policy.limits;
  const body = collect({ bytesMax: answerBytesMax, msMax: upstreamTimeoutMs, abort: () => answer.control.abort() });
  return {
    streaming: false,
    chunk(chunk) {
      body.add(chunk);
      return true;
    },
    end: () => conclude(ports, admitted, answer, body.pieces()),
    fail(failure) {
      body.pieces();
      if (body.tooLarge) return failed(answer.status, `The upstream's answer is longer than ${answerBytesMax} bytes.`);
      if (admitted.reply.closed) return { status: 'client-gone', ending: 'lost' };
      const late: UpstreamFailure = body.late ? { ...failure, kind: 'timeout' } : failure;
      return { status: late.kind, ending: failedEnding(late), refusal: upstreamDenial(late) };
    },
  };
}

function conclude(ports: ForwardPorts, admitted: Admitted, answer: Answer, pieces: readonly Buffer[]): RelayEnd | Promise<RelayEnd> {
  const { status, headers } = answer;
  const { intent, reply } = admitted;
  if (reply.closed) return { status: 'client-gone', ending: 'lost' };
  if (intent.kind !== 'request') return { status, ending: 'error', refusal: statusDenial(admitted, { status, body: joined(pieces) }) };
  const encoded = encodingDenial(answer);
  if (encoded) return { status, ending: 'error', refusal: encoded };
  const asked = expectedAnswer(intent.message, intent.tasks);
  const atOnce = status === 200 && isReadAtOnce(admitted, asked.method);
  const inPieces = atOnce && mayPassInPieces(pieces);
  const body = inPieces ? ports.scratch.join(pieces) : joined(pieces);
  // Put together in memory of their own, the pieces themselves have done their part.
  const copied = !inPieces && pieces.length > 1;
  if (copied) ports.memory.giveBack(pieces);
  const message = isJson(headers) ? scanAnswer(body) : undefined;
  if (status !== 200) return relayError(admitted, { status, body, message: asError(message, intent.message) });
  if (!isAnswerTo(message, intent.message.id)) return failed(status, 'The upstream did not answer this request.');
  const weighed = weighAnswer(admitted, message, asked.asksTask);
  const finish = (shown: Buffer): RelayEnd => {
    if (reply.closed) return { ...weighed, status: 'client-gone' };
    // Untouched: what was scanned goes out as it came, and the scratch is free for the next answer (I4: these are the bytes that were put together).
    const untouched = atOnce && shown === body;
    // What was made of it may be a part of the same memory, and may have to wait for the client.
    if (inPieces && !untouched) ports.scratch.keep();
    const written = untouched && !copied && shown.length >= lentBytesMin ? () => ports.memory.giveBack(pieces) : undefined;
    send(ports, admitted, answer, { length: shown.length, body: untouched && inPieces ? pieces : shown, written });
    return { status, ...weighed };
  };
  const shown = showAnswer(ports, admitted, { asked, message });
  if (!(shown instanceof Promise)) return finish(shown);
  if (inPieces) ports.scratch.keep();
  return shown.then(finish);
}

/** Shorter answers, and those in many pieces, cost less put together in memory of their own. */
const piecesBytesMin = 16_384;
const piecesMax = 64;

/**
 * Whether a long answer may be read in memory that the next one is read in. Lists are looked at item by item, and what is known of tools is
 * remembered; the results of a tool, a prompt or a resource are read at once, and nothing of them is kept.
 */
function isReadAtOnce({ era }: Admitted, method: string): boolean {
  const gate = gateOf(method, era);
  return gate?.by === 'name' || gate?.by === 'uri';
}

function mayPassInPieces(pieces: readonly Buffer[]): boolean {
  if (pieces.length < 2 || pieces.length > piecesMax) return false;
  return pieces.reduce((sum, { length }) => sum + length, 0) >= piecesBytesMin;
}

function send(
  { seal }: ForwardPorts,
  admitted: Admitted,
  { headers }: Answer,
  { length, body, written }: { length: number; body: Buffer | readonly Buffer[]; written: (() => void) | undefined },
): void {
  const { reply, era } = admitted;
  reply.head(200, {
    'content-type': 'application/json',
    'content-length': String(length),
    'cache-control': era === 'stateless' ? 'no-store, private' : 'no-store',
    ...sealedSession(seal, admitted, headers),
  });
  reply.end(body, written);
}

/** Client errors that the protocol itself gives a body (2026-07-28: 400 and 404); they go on with the caller's own id. */
const passedStatuses: ReadonlySet<number> = new Set([400, 404]);

function relayError(
  admitted: Admitted,
  { status, body, message }: { status: number; body: Buffer; message: ResponseMessage | undefined },
): RelayEnd {
  const { reply, intent } = admitted;
  const own = intent.kind === 'request' && message?.id === intent.message.id;
  const denial = statusDenial(admitted, { status, body, own });
  if (denial.reason !== 'UPSTREAM_FAILED' || !message || !passedStatuses.has(status) || intent.kind !== 'request')
    return { status, ending: 'error', refusal: denial };
  const id = JSON.stringify(intent.message.id);
  const bytes = own ? message.bytes : splice(message.bytes, [{ span: message.idSpan, text: id }]);
  reply.head(status, { 'content-type': 'application/json', 'content-length': String(bytes.length), 'cache-control': 'no-store' });
  reply.end(bytes);
  return { status, ending: 'error' };
}

/** An error answer to this request, or to none (a server that could not read the id says null). */
function asError(message: ReturnType<typeof scanAnswer>, request: RequestMessage): ResponseMessage | undefined {
  if (message?.kind !== 'response' || message.outcome !== 'error') return undefined;
  return message.id === null || message.id === request.id ? message : undefined;
}

function isJson(headers: Answer['headers']): boolean {
  return /^application\/json\s*(?:;|$)/i.test(String(headers['content-type'] ?? ''));
}

function failed(status: number, detail: string): RelayEnd {
  return { status, ending: 'error', refusal: noAnswerDenial(status, detail) };
}
