import { Denial } from '../domain/denial.ts';
import type { ServerEvent } from '../domain/events.ts';
import type { MessageId, NotificationMessage, RequestMessage } from '../domain/message.ts';
import { isServerRequest } from '../domain/method.ts';
import { splice } from '../domain/splice.ts';
import { boundTo } from './bound-to.ts';
import { mayUse } from './may-use.ts';
import type { Admitted, ResumedEvent } from './reached.ts';
import { isAnswerTo, scanAnswer, trimAnswer } from './read-answer.ts';
import type { ForwardPorts } from './relay.ts';
import { type AnswerEnd, weighAnswer } from './weigh-answer.ts';

/** Server requests of one stream whose sealed ids are remembered: a stream may last for days, and servers ping. */
const sealedIdsMax = 256;

export interface StreamGate {
  /** What the expected answer means for the charge, once it has passed. */
  answer(): AnswerEnd | undefined;
  /** The event's text as the client may see it; undefined where nothing of it is shown. @throws Denial UPSTREAM_FAILED */
  judge(event: ServerEvent): string | undefined;
  /** Judges by this caller's right from now on. */
  rejudge(admitted: Admitted): void;
}

/**
 * Decides about each message of an upstream's event stream: the expected answer, trimmed; notifications; the few requests
 * that servers may make, under a sealed one-time id, so that any replica can open the client's answer. Nothing else.
 */
export function createStreamGate(ports: ForwardPorts, admitted: Admitted, expected: ResumedEvent['answers']): StreamGate {
  /** Sealed ids of this stream's newest server requests, so that the server can cancel them. */
  const sealedIds = new Map<MessageId, string>();
  let answer: AnswerEnd | undefined;
  let current = admitted;

  return {
    answer: () => answer,
    judge(event) {
      if (event.text === undefined || event.text === '' || event.name !== 'message') return undefined;
      const message = scanAnswer(Buffer.from(event.text));
      if (!message) throw new Denial('UPSTREAM_FAILED', { detail: 'The upstream sent an event that is no message.' });
      if (message.kind === 'notification') return judgeNotification(current, message, sealedIds);
      if (message.kind === 'request') return judgeRequest(ports, current, message, sealedIds);
      if (answer || !expected) return undefined;
      if (!isAnswerTo(message, expected.id)) throw new Denial('UPSTREAM_FAILED', { detail: 'The upstream answered another request.' });
      const trimmed = trimAnswer(current, { method: expected.method, message });
      answer = weighAnswer(current, message);
      return trimmed.toString('utf8');
    },
    rejudge(next) {
      current = next;
    },
  };
}

function judgeRequest(
  ports: ForwardPorts,
  admitted: Admitted,
  message: RequestMessage,
  sealedIds: Map<MessageId, string>,
): string | undefined {
  const { upstream, session, era } = admitted;
  if (era === 'stateless' || !isServerRequest(message.method)) {
    ports.log.warn('a server request was dropped', { upstream: upstream.name, method: message.method.slice(0, 64) });
    return undefined;
  }
  const { start, end } = message.idSpan;
  const plain = JSON.stringify({ id: message.bytes.toString('utf8', start, end), at: ports.clock.now() });
  const sealed = ports.seal.seal({ purpose: 'request', bound: boundTo(admitted, session), plain });
  // Taken out first, so that an id that is used again counts as a new one.
  sealedIds.delete(message.id);
  sealedIds.set(message.id, sealed);
  const [oldest] = sealedIds.keys();
  if (sealedIds.size > sealedIdsMax && oldest !== undefined) sealedIds.delete(oldest);
  return splice(message.bytes, [{ span: message.idSpan, text: JSON.stringify(sealed) }]).toString('utf8');
}

function judgeNotification(admitted: Admitted, message: NotificationMessage, sealedIds: Map<MessageId, string>): string | undefined {
  const { params, bytes, method } = message;
  if (method === 'notifications/cancelled' && params.cancels) {
    const sealed = sealedIds.get(params.cancels.id);
    if (sealed === undefined) return undefined;
    return splice(bytes, [{ span: params.cancels.span, text: JSON.stringify(sealed) }]).toString('utf8');
  }
  // An update names a resource: only one that the key may read.
  if (
    method === 'notifications/resources/updated' &&
    !mayUse(admitted, 'resources', { span: { start: 0, end: 0 }, ...uriOf(params.uri) })
  ) {
    return undefined;
  }
  return bytes.toString('utf8');
}

function uriOf(uri: string | undefined): { uri: string } | Record<string, never> {
  return uri === undefined ? {} : { uri };
}
