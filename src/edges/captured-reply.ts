import { writeEvent } from '../domain/events.ts';
import type { Reply } from '../ports/reply.ts';

/** What one element's answer came to. */
export interface CapturedAnswer {
  /** Undefined where none came: the element was abandoned, or cut before its head. */
  readonly status: number | undefined;
  readonly headers: AnswerHeaders;
  /** The body; of an event stream, what was written and not taken by `onEvents`. */
  readonly body: Buffer;
  /** False where it was cut, abandoned, or larger than is kept. */
  readonly whole: boolean;
}

type AnswerHeaders = Parameters<Reply['head']>[1];

export interface CaptureTerms {
  /** Most that is kept, in bytes; an element that writes more is abandoned. */
  readonly bytesMax: number;
  /** Takes an event stream as it comes, instead of its being kept: each write is one whole event or comment. False pauses the element. */
  readonly onEvents?: (chunk: string) => boolean;
  /** The head is there. */
  readonly onHead?: (status: number, headers: AnswerHeaders) => void;
}

export interface CapturedReply {
  /** For the gateway to answer on. */
  readonly reply: Reply;
  /** Resolves when the answer has ended, however it did. */
  readonly ended: Promise<CapturedAnswer>;
  /** What came until now is all; to the gateway it is as if the client had gone. */
  abandon(): void;
}

/** Gives replies for the elements that one client's request is divided into. Its client's leaving, and its reading slowly, are everyone's. */
export function createCapture(outer: Reply): (terms: CaptureTerms) => CapturedReply {
  const running = new Set<() => void>();
  const drains = new Set<() => void>();
  // Once for all elements: every listener on the connection is one more that Node warns about.
  outer.onGone(() => {
    for (const abandon of [...running]) abandon();
  });
  outer.onDrain(() => {
    for (const drained of [...drains]) drained();
  });
  return (terms) => {
    const { promise: ended, resolve } = Promise.withResolvers<CapturedAnswer>();
    const gone = new Set<() => void>();
    const own = new Set<() => void>();
    let chunks: Buffer[] = [];
    let bytes = 0;
    let head: { status: number; headers: AnswerHeaders } | undefined;
    let over = false;
    let events = false;

    const finish = (whole: boolean): void => {
      if (over) return;
      over = true;
      running.delete(abandon);
      for (const listener of own) drains.delete(listener);
      resolve({ status: head?.status, headers: head?.headers ?? {}, body: Buffer.concat(chunks), whole });
      chunks = [];
    };
    const abandon = (): void => {
      if (over) return;
      finish(false);
      for (const listener of gone) listener();
    };
    const keep = (chunk: Buffer | string): void => {
      const kept = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
      bytes += kept.length;
      if (bytes > terms.bytesMax) abandon();
      else chunks.push(kept);
    };
    const write = (chunk: Buffer | string): boolean => {
      if (over) return true;
      if (events && terms.onEvents) return terms.onEvents(typeof chunk === 'string' ? chunk : chunk.toString('utf8'));
      keep(chunk);
      return true;
    };
    if (!outer.closed) running.add(abandon);

    return {
      ended,
      abandon,
      reply: {
        get closed() {
          return over || outer.closed;
        },
        get headSent() {
          return head !== undefined;
        },
        carry(headers) {
          if (!outer.headSent) outer.carry(headers);
        },
        head(status, headers) {
          head = { status, headers };
          events = status === 200 && String(headers['content-type'] ?? '').startsWith('text/event-stream');
          terms.onHead?.(status, headers);
        },
        write,
        end(body) {
          if (typeof body === 'string' || Buffer.isBuffer(body)) write(body);
          else for (const piece of body ?? []) write(piece);
          finish(true);
        },
        cut: () => finish(false),
        onGone: (listener) => void gone.add(listener),
        onDrain(listener) {
          own.add(listener);
          drains.add(listener);
        },
      },
    };
  };
}

/** A JSON body as one event. A carriage return between its values would end a line of the event; inside of strings there is none (RFC 8259). */
export function eventOf(body: Buffer): string {
  return writeEvent({ text: body.toString('utf8').replaceAll('\r', ' ') });
}
