import type { Message } from '../../../domain/message.ts';
import { scan } from '../../../domain/scan.ts';
import type { AnswerHeaders, UpstreamRequest, Upstreams } from '../../../ports/upstreams.ts';
import type { Leg } from './leg.ts';

/** An introduction is short; one that is longer goes on as it comes. Bytes. */
const heldBytesMax = 1_048_576;

/** An answer that was held back. */
export interface HeldAnswer {
  readonly status: number;
  /** Undefined where the body is no message. */
  readonly message: Message | undefined;
  /** Passes it on to the client as it came. */
  pass(): void;
}

/**
 * Sends an introduction (`initialize`) as it is and holds the answer back until it can be judged whether the server takes this era at all.
 * A stream is an answer to it: only servers that know the request open one, and it goes on at once. Resolves to undefined where the answer went
 * on otherwise, or there is none.
 */
export function tryNative(upstreams: Upstreams, leg: Leg, request: UpstreamRequest): Promise<HeldAnswer | 'streamed' | undefined> {
  const { promise, resolve } = Promise.withResolvers<HeldAnswer | 'streamed' | undefined>();
  let head: { status: number; headers: AnswerHeaders } | undefined;
  let chunks: Buffer[] = [];
  let bytes = 0;
  let held = true;
  const pass = (): void => {
    if (!held) return;
    held = false;
    if (head) leg.onHead(head.status, head.headers);
    for (const chunk of chunks) leg.onChunk(chunk);
    chunks = [];
  };
  const exchange = upstreams.dispatch(request, {
    onHead(status, headers) {
      head = { status, headers };
      if (status !== 200 || !/^text\/event-stream\s*(?:;|$)/i.test(String(headers['content-type'] ?? ''))) return;
      pass();
      resolve('streamed');
    },
    onChunk(chunk) {
      if (!held) return leg.onChunk(chunk);
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes <= heldBytesMax) return true;
      pass();
      resolve(undefined);
      return true;
    },
    onEnd() {
      if (!held) return leg.onEnd();
      const scanned = scan(Buffer.concat(chunks), { depthMax: 256, nodesMax: 100_000, loneSurrogates: true });
      const whole = () => {
        pass();
        leg.onEnd();
      };
      resolve({ status: head?.status ?? 0, message: scanned.ok ? scanned.message : undefined, pass: whole });
    },
    onFailure(failure) {
      pass();
      leg.onFailure(failure);
      resolve(undefined);
    },
  });
  leg.follow(exchange);
  return promise;
}
