import { Denial } from '../../../domain/denial.ts';
import { createEventReader, writeEvent } from '../../../domain/events.ts';
import type { Message } from '../../../domain/message.ts';
import { scan } from '../../../domain/scan.ts';
import type { AnswerHeaders, AnswerReceiver, UpstreamFailure } from '../../../ports/upstreams.ts';

/** As much as the bridge keeps of an answer; the stages bound what they take by the same settings. */
export interface AnswerLimits {
  readonly answerBytesMax: number;
  readonly eventBytesMax: number;
}

/** What an answer that is no stream comes to. */
export interface WholeAnswer {
  readonly status: number;
  readonly headers: AnswerHeaders;
  /** Undefined where the body is no message. */
  readonly message: Message | undefined;
  readonly body: Buffer;
}

/** Answers are larger and deeper than calls, and real servers cut strings in the middle of a character. */
const answerLimits = { depthMax: 256, nodesMax: 4_000_000, loneSurrogates: true } as const;

/**
 * Reads an upstream's answer message by message, so that each can be put into the caller's form: JSON as a whole, an event stream event by
 * event. Nothing that was not read goes on.
 * @param options.whole  told of an answer that is no event stream, once it has ended
 * @param options.event  the text that goes on in the event's place; undefined where nothing does
 */
export function rewriteAnswer(options: {
  receiver: Pick<AnswerReceiver, 'onHead' | 'onChunk' | 'onEnd'> & { fail(failure: UpstreamFailure): void };
  limits: AnswerLimits;
  /** For a whole answer, in milliseconds: one byte now and then does not hold the caller for ever. */
  msMax: number;
  abort: () => void;
  whole: (answer: WholeAnswer) => void;
  event: (message: Message) => Buffer | string | undefined;
}): AnswerReceiver {
  const { receiver, limits, abort } = options;
  const reader = createEventReader(limits.eventBytesMax);
  let head: { status: number; headers: AnswerHeaders; events: boolean } | undefined;
  let chunks: Buffer[] = [];
  let bytes = 0;
  let timer: NodeJS.Timeout | undefined;

  const broken = (failure: UpstreamFailure): void => {
    clearTimeout(timer);
    chunks = [];
    receiver.fail(failure);
    abort();
  };
  const pass = (chunk: Buffer): boolean => {
    let ready = true;
    for (const { text, name } of reader.push(chunk)) {
      if (text === undefined || text === '' || name !== 'message') continue;
      const message = messageOf(Buffer.from(text));
      if (!message) throw new Denial('UPSTREAM_FAILED', { detail: 'The upstream sent an event that is no message.' });
      const rewritten = options.event(message);
      if (rewritten !== undefined) ready = receiver.onChunk(Buffer.from(writeEvent({ text: rewritten.toString() }))) && ready;
    }
    return ready;
  };
  const keep = (chunk: Buffer): boolean => {
    bytes += chunk.length;
    if (bytes <= limits.answerBytesMax) chunks.push(chunk);
    else
      broken({
        kind: 'too-large',
        sent: true,
        cause: new Denial('UPSTREAM_FAILED', { detail: `The upstream's answer is longer than ${limits.answerBytesMax} bytes.` }),
      });
    return true;
  };

  return {
    onHead(status, headers) {
      const plain = (headers['content-encoding'] ?? 'identity') === 'identity';
      const events = status === 200 && plain && /^text\/event-stream\s*(?:;|$)/i.test(String(headers['content-type'] ?? ''));
      head = { status, headers, events };
      if (events) receiver.onHead(200, { 'content-type': 'text/event-stream' });
      else if (!plain)
        broken({
          kind: 'reset',
          sent: true,
          cause: new Denial('UPSTREAM_FAILED', { detail: 'The upstream sent a content encoding that was not asked for.' }),
        });
      else timer = setTimeout(() => broken({ kind: 'timeout', sent: true, cause: undefined }), options.msMax);
    },
    onChunk(chunk) {
      if (!head?.events) return keep(chunk);
      try {
        return pass(chunk);
      } catch (thrown) {
        const cause =
          thrown instanceof Denial
            ? thrown
            : new Denial('UPSTREAM_FAILED', { detail: 'The upstream broke the event stream.', cause: thrown });
        broken({ kind: 'reset', sent: true, cause });
        return true;
      }
    },
    onEnd() {
      clearTimeout(timer);
      if (head?.events) {
        receiver.onEnd();
        return;
      }
      const body = Buffer.concat(chunks);
      const json = /^application\/json\s*(?:;|$)/i.test(String(head?.headers['content-type'] ?? ''));
      try {
        options.whole({ status: head?.status ?? 0, headers: head?.headers ?? {}, body, message: json ? messageOf(body) : undefined });
      } catch (thrown) {
        const detail = "The answer could not be put into the form of the caller's protocol era.";
        broken({
          kind: 'reset',
          sent: true,
          cause: thrown instanceof Denial ? thrown : new Denial('UPSTREAM_FAILED', { detail, cause: thrown }),
        });
      }
    },
    onFailure(failure) {
      clearTimeout(timer);
      receiver.fail(failure);
    },
  };
}

function messageOf(bytes: Buffer): Message | undefined {
  const scanned = scan(bytes, answerLimits);
  return scanned.ok ? scanned.message : undefined;
}
