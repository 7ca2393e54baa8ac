import type { ServerResponse } from 'node:http';
import type { Reply } from '../ports/reply.ts';

export interface ReplyTerms {
  /** Headers that every answer of this request carries. */
  readonly always: Readonly<Record<string, string>>;
  /** Milliseconds for which a client may take nothing of what waits for it. */
  readonly stallMsMax: number;
}

/** The raw outgoing response as a Reply. */
export function replyOn(outgoing: ServerResponse, { always, stallMsMax }: ReplyTerms): Reply {
  const watch = stallWatch(outgoing, stallMsMax);
  let carried: Readonly<Record<string, string>> = always;
  return {
    get closed() {
      return outgoing.destroyed || outgoing.writableEnded;
    },
    get headSent() {
      return outgoing.headersSent;
    },
    carry(headers) {
      carried = { ...carried, ...headers };
    },
    head(status, headers, flush) {
      // A body that was not read whole would be taken for the next request: this connection ends with the answer.
      const unread = outgoing.req.complete ? {} : { connection: 'close' };
      outgoing.writeHead(status, { ...carried, ...(headers as Record<string, string | string[]>), ...unread });
      if (flush) outgoing.flushHeaders();
    },
    write(chunk) {
      if (outgoing.writableEnded || outgoing.destroyed) return true;
      const ready = outgoing.write(chunk);
      if (!ready) watch();
      return ready;
    },
    end(chunk) {
      outgoing.end(chunk);
      // Most answers are with the system at once, and then there is nothing that a client could leave waiting here.
      if (outgoing.writableLength > 0) watch();
    },
    cut() {
      outgoing.destroy();
    },
    onGone(listener) {
      outgoing.once('close', () => {
        if (!outgoing.writableFinished) listener();
      });
    },
    onDrain(listener) {
      outgoing.on('drain', listener);
    },
  };
}

/** Cuts the connection of a client that takes nothing for too long: what waits for it is memory, and often a hold (A15). */
function stallWatch(outgoing: ServerResponse, stallMsMax: number): () => void {
  let timer: NodeJS.Timeout | undefined;
  let listening = false;
  const taken = () => {
    clearTimeout(timer);
    timer = undefined;
  };
  return () => {
    timer ??= setTimeout(() => outgoing.destroy(), stallMsMax);
    if (listening) return;
    listening = true;
    for (const event of ['drain', 'finish', 'close']) outgoing.on(event, taken);
  };
}
