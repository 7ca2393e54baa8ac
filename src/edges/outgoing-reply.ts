import type { ServerResponse } from 'node:http';
import type { Reply } from '../ports/reply.ts';

/** The raw outgoing response as a Reply. @param always headers that every answer of this request carries */
export function replyOn(outgoing: ServerResponse, always: Readonly<Record<string, string>>): Reply {
  return {
    get closed() {
      return outgoing.destroyed || outgoing.writableEnded;
    },
    get headSent() {
      return outgoing.headersSent;
    },
    head(status, headers, flush) {
      // A body that was not read whole would be taken for the next request: this connection ends with the answer.
      const unread = outgoing.req.complete ? {} : { connection: 'close' };
      outgoing.writeHead(status, { ...always, ...(headers as Record<string, string | string[]>), ...unread });
      if (flush) outgoing.flushHeaders();
    },
    write: (chunk) => outgoing.writableEnded || outgoing.destroyed || outgoing.write(chunk),
    end(chunk) {
      outgoing.end(chunk);
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
