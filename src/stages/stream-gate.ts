import { Denial } from '../domain/denial.ts';
import type { ServerEvent } from '../domain/events.ts';
import type { MessageId, NotificationMessage, RequestMessage, TaskMention } from '../domain/message.ts';
import { isServerRequest } from '../domain/method.ts';
import { splice } from '../domain/splice.ts';
import { boundTo } from './bound-to.ts';
import { judgeNotification, taskOf } from './judge-notification.ts';
import type { Admitted, ExpectedAnswer } from './reached.ts';
import { isAnswerTo, scanAnswer } from './read-answer.ts';
import type { ForwardPorts } from './relay.ts';
import { showAnswer } from './show-answer.ts';
import { sealTask } from './task-ids.ts';
import { areOwn } from './task-records.ts';
import { type AnswerEnd, weighAnswer } from './weigh-answer.ts';

/** Server requests of one stream whose sealed ids are remembered: a stream may last for days, and servers ping. */
const sealedIdsMax = 256;

/** Text of an event as the client may see it; undefined where nothing of it is shown. */
type Shown = string | undefined;

export interface StreamGate {
  /** What the expected answer means for the charge, once it has passed. */
  answer(): AnswerEnd | undefined;
  /**
   * Judges one event, in the order in which they came: a promise, where the store is asked, must be done before the next.
   * @throws Denial UPSTREAM_FAILED, or rejects with it
   */
  judge(event: ServerEvent): Shown | Promise<Shown>;
  /** Judges by this caller's right from now on. */
  rejudge(admitted: Admitted): void;
}

/**
 * Decides about each message of an upstream's event stream: the expected answer, trimmed; notifications; the few requests
 * that servers may make, under a sealed one-time id, so that any replica can open the client's answer. Nothing else.
 */
export function createStreamGate(ports: ForwardPorts, admitted: Admitted, expected: ExpectedAnswer | undefined): StreamGate {
  /** Sealed ids of this stream's newest server requests, so that the server can cancel them. */
  const sealedIds = new Map<MessageId, string>();
  const known = new Map(expected?.tasks);
  let answer: AnswerEnd | undefined;
  let current = admitted;

  /** Goes on with the message once every task that it names is this key's own, under the id that the client knows. */
  const withTasks = <Message extends RequestMessage | NotificationMessage>(
    message: Message,
    named: TaskMention | undefined,
    pass: (sealed: Message) => Shown,
  ): Shown | Promise<Shown> => {
    const mentions = [named, message.params.relatedTask].filter((mention) => mention !== undefined);
    if (mentions.length === 0) return pass(message);
    const show = () => pass(sealMentions(ports, current, { message, mentions, known }));
    const unknown = mentions.map(({ id }) => id).filter((id) => !known.has(id));
    if (unknown.length === 0) return show();
    // Streams of 2026-07-28 are about what their request named, and nothing is remembered for them.
    if (current.era === 'stateless') return undefined;
    return areOwn(ports, current, unknown).then((own) => (own.every(Boolean) ? show() : undefined));
  };

  return {
    answer: () => answer,
    judge(event) {
      if (event.text === undefined || event.text === '' || event.name !== 'message') return undefined;
      const message = scanAnswer(Buffer.from(event.text));
      if (!message) throw new Denial('UPSTREAM_FAILED', { detail: 'The upstream sent an event that is no message.' });
      if (message.kind === 'notification') {
        return withTasks(message, taskOf(message), (sealed) => judgeNotification(current, { message: sealed, sealedIds, known }));
      }
      if (message.kind === 'request') {
        return withTasks(message, undefined, (sealed) => judgeRequest(ports, current, sealed, sealedIds));
      }
      if (answer || !expected) return undefined;
      if (!isAnswerTo(message, expected.id)) throw new Denial('UPSTREAM_FAILED', { detail: 'The upstream answered another request.' });
      const weighed = weighAnswer(current, message, expected.asksTask);
      const pass = (shown: Buffer): string => {
        answer = weighed;
        return shown.toString('utf8');
      };
      const shown = showAnswer(ports, current, { asked: expected, message });
      return shown instanceof Promise ? shown.then(pass) : pass(shown);
    },
    rejudge(next) {
      current = next;
    },
  };
}

/** The message with the tasks that it names under the ids that the client knows, scanned again. */
function sealMentions<Message extends RequestMessage | NotificationMessage>(
  ports: ForwardPorts,
  admitted: Admitted,
  { message, mentions, known }: { message: Message; mentions: readonly TaskMention[]; known: ReadonlyMap<string, string> },
): Message {
  const edits = mentions.map(({ id, span }) => ({ span, text: JSON.stringify(known.get(id) ?? sealTask(ports, admitted, id)) }));
  const sealed = scanAnswer(splice(message.bytes, edits));
  if (sealed?.kind !== message.kind) throw new Error('a message with its tasks sealed no longer scans');
  return sealed as Message;
}

function judgeRequest(ports: ForwardPorts, admitted: Admitted, message: RequestMessage, sealedIds: Map<MessageId, string>): Shown {
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
