import { createEventReader, writeEvent } from '../../domain/events.ts';
import type { Received } from '../../stages/reached.ts';
import { type CapturedReply, type CaptureTerms, createCapture, eventOf } from '../captured-reply.ts';

export type Serve = (received: Received) => Promise<void>;

/** One open stream of a client of HTTP+SSE, and what its POSTs share. It lives in this process. */
export interface Connection {
  /** The session as the client of Streamable HTTP would name it; undefined until initialize was answered, and where the upstream gives none. */
  session: string | undefined;
  /** Whether the upstream's own stream was asked for, and whether it is open. */
  listened: boolean;
  listening: boolean;
  /** The newest request of this stream: what ends its session is sent as that one was. */
  newest: Received;
  /** Bytes of answers that the client has yet to take. */
  readonly untaken: number;
  /** Messages under way. */
  readonly running: Set<Promise<void>>;
  /** Hands one message to the gateway; what it answers as a stream goes out as it comes, anything else is kept. */
  send(serve: Serve, received: Received, onHead?: CaptureTerms['onHead']): CapturedReply;
  /** Writes one JSON message. */
  deliver(body: Buffer): void;
  /** Breaks off what is under way. */
  abandonAll(): void;
}

/** Most bytes of one event beyond what an upstream may send: the names of its fields and a sealed id. */
const eventBytesMore = 16_384;

export function createConnection(stream: Received): Connection {
  const { reply, policy } = stream;
  const capture = createCapture(reply);
  const captured = new Set<CapturedReply>();
  const running = new Set<Promise<void>>();
  let untaken = 0;
  reply.onDrain(() => {
    untaken = 0;
  });
  return {
    get untaken() {
      return untaken;
    },
    session: undefined,
    listened: false,
    listening: false,
    newest: stream,
    running,
    send(serve, received, onHead) {
      const reader = createEventReader(policy.limits.eventBytesMax * 2 + eventBytesMore);
      const one = capture({
        bytesMax: policy.limits.answerBytesMax,
        ...(onHead && { onHead }),
        // This transport has no resumption, so ids stay behind.
        onEvents(chunk) {
          let ready = true;
          for (const { text } of reader.push(Buffer.from(chunk))) if (text) ready = reply.write(writeEvent({ text })) && ready;
          return ready;
        },
      });
      captured.add(one);
      const done = serve({ ...received, reply: one.reply }).finally(() => {
        one.abandon();
        captured.delete(one);
        running.delete(done);
      });
      running.add(done);
      return one;
    },
    deliver(body) {
      if (reply.closed) return;
      const isTaken = reply.write(eventOf(body));
      untaken = isTaken ? 0 : untaken + body.length;
    },
    abandonAll() {
      for (const one of [...captured]) one.abandon();
    },
  };
}
