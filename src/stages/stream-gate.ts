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
  return new Gate(ports, admitted, expected);
}

/** Nothing, for the many streams that never get more: what each of thousands keeps is memory. */
const none: ReadonlyMap<never, never> = new Map<never, never>();

/** A class, and no closures, since thousands of streams may be open for days. */
class Gate implements StreamGate {
  private readonly ports: ForwardPorts;
  private readonly expected: ExpectedAnswer | undefined;
  /** Tasks that the stream's request named: the upstream's ids, and the client's. */
  private readonly known: ReadonlyMap<string, string>;
  /** Sealed ids of this stream's newest server requests, so that the server can cancel them. */
  private sealedIds: Map<MessageId, string> | undefined = undefined;
  private current: Admitted;
  private weighed: AnswerEnd | undefined = undefined;

  constructor(ports: ForwardPorts, admitted: Admitted, expected: ExpectedAnswer | undefined) {
    this.ports = ports;
    this.current = admitted;
    this.expected = expected;
    this.known = expected?.tasks ? new Map(expected.tasks) : none;
  }

  answer(): AnswerEnd | undefined {
    return this.weighed;
  }

  judge(event: ServerEvent): Shown | Promise<Shown> {
    if (event.text === undefined || event.text === '' || event.name !== 'message') return undefined;
    const message = scanAnswer(Buffer.from(event.text));
    if (!message) throw new Denial('UPSTREAM_FAILED', { detail: 'The upstream sent an event that is no message.' });
    if (message.kind === 'notification') {
      return this.withTasks(message, taskOf(message), (sealed) =>
        judgeNotification(this.current, { message: sealed, sealedIds: this.sealedIds ?? none, known: this.known }),
      );
    }
    if (message.kind === 'request') return this.withTasks(message, undefined, (sealed) => this.judgeRequest(sealed));
    const { expected, ports } = this;
    if (this.weighed || !expected) return undefined;
    if (!isAnswerTo(message, expected.id)) throw new Denial('UPSTREAM_FAILED', { detail: 'The upstream answered another request.' });
    const weighed = weighAnswer(this.current, message, expected.asksTask);
    const pass = (shown: Buffer): string => {
      this.weighed = weighed;
      return shown.toString('utf8');
    };
    const shown = showAnswer(ports, this.current, { asked: expected, message });
    return shown instanceof Promise ? shown.then(pass) : pass(shown);
  }

  rejudge(next: Admitted): void {
    this.current = next;
  }

  /** Goes on with the message once every task that it names is this key's own, under the id that the client knows. */
  private withTasks<Message extends RequestMessage | NotificationMessage>(
    message: Message,
    named: TaskMention | undefined,
    pass: (sealed: Message) => Shown,
  ): Shown | Promise<Shown> {
    const { ports, known } = this;
    const mentions = [named, message.params.relatedTask].filter((mention) => mention !== undefined);
    if (mentions.length === 0) return pass(message);
    const show = () => pass(sealMentions(ports, this.current, { message, mentions, known }));
    const unknown = mentions.map(({ id }) => id).filter((id) => !known.has(id));
    if (unknown.length === 0) return show();
    // Streams of 2026-07-28 are about what their request named, and nothing is remembered for them.
    if (this.current.era === 'stateless') return undefined;
    return areOwn(ports, this.current, unknown).then((own) => (own.every(Boolean) ? show() : undefined));
  }

  private judgeRequest(message: RequestMessage): Shown {
    const { ports, current } = this;
    const { upstream, session, era } = current;
    if (era === 'stateless' || !isServerRequest(message.method)) {
      ports.log.warn('a server request was dropped', { upstream: upstream.name, method: message.method.slice(0, 64) });
      return undefined;
    }
    const { start, end } = message.idSpan;
    const plain = JSON.stringify({ id: message.bytes.toString('utf8', start, end), at: ports.clock.now() });
    const sealed = ports.seal.seal({ purpose: 'request', bound: boundTo(current, session), plain });
    this.sealedIds ??= new Map();
    const { sealedIds } = this;
    // Taken out first, so that an id that is used again counts as a new one.
    sealedIds.delete(message.id);
    sealedIds.set(message.id, sealed);
    const [oldest] = sealedIds.keys();
    if (sealedIds.size > sealedIdsMax && oldest !== undefined) sealedIds.delete(oldest);
    return splice(message.bytes, [{ span: message.idSpan, text: JSON.stringify(sealed) }]).toString('utf8');
  }
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
