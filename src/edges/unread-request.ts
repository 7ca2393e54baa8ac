import { type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';

/** What a listener says to a request that could not even be read. */
export interface UnreadAnswer {
  readonly contentType: string;
  readonly body: string;
}

export type AnswerUnread = (status: number, address: string) => UnreadAnswer;

/**
 * Answers what Node's parser refuses (RFC 9112: broken framing, too many headers, too slow) in the listener's own form, and closes
 * the connection: where one request ends and the next begins is not known any more. Once an answer has begun, nothing may be added to it.
 */
export function answerUnreadRequests(server: Server, answer: AnswerUnread): void {
  const running = new WeakMap<Duplex, ServerResponse>();
  server.on('request', (incoming, outgoing) => running.set(incoming.socket, outgoing));
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex & { remoteAddress?: string }) => {
    const current = running.get(socket);
    const begun = current?.headersSent && !current.writableFinished;
    if (error.code === 'ECONNRESET' || !socket.writable || begun) {
      socket.destroy();
      return;
    }
    const status = statusOf(error.code);
    const { contentType, body } = answer(status, socket.remoteAddress ?? 'unknown');
    socket.end(
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: ${contentType}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` +
        `Cache-Control: no-store\r\nConnection: close\r\n\r\n${body}`,
      () => socket.destroy(),
    );
  });
}

function statusOf(code: string | undefined): number {
  if (code === 'HPE_HEADER_OVERFLOW') return 431;
  if (code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW') return 413;
  return code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400;
}
