import type { Reply } from '../../ports/reply.ts';

/** The client's reply, on which a member's own session id is replaced by the one that the client knows. */
export function replyInSession(reply: Reply, sessionHeaders: Readonly<Record<string, string>>): Reply {
  return {
    get closed() {
      return reply.closed;
    },
    get headSent() {
      return reply.headSent;
    },
    carry: (headers) => reply.carry(headers),
    head(status, { 'mcp-session-id': _own, ...headers }, flush) {
      reply.head(status, { ...headers, ...sessionHeaders }, flush);
    },
    write: (chunk) => reply.write(chunk),
    end: (body, written) => reply.end(body, written),
    cut: () => reply.cut(),
    onGone: (listener) => reply.onGone(listener),
    onDrain: (listener) => reply.onDrain(listener),
  };
}
