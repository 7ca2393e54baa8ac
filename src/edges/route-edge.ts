import { type IncomingMessage, type Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { RouteArrived } from '../stages/route-reached.ts';

const prefix = '/passthrough/';

export function isRoutePath(url: string | undefined): boolean {
  return url?.startsWith(prefix) ?? false;
}

/** Only these requests may leave HTTP: any other that asks to is answered as if it had not (RFC 9110, section 7.8). */
export function asksForWebsocket({ url, method, headers }: IncomingMessage): boolean {
  return method === 'GET' && isRoutePath(url) && headers.upgrade?.toLowerCase() === 'websocket';
}

/** Serves requests to become a websocket: refusals are written to the connection as to any other, until it is the websocket's. */
export function serveUpgrades(
  server: Server,
  serve: (client: { incoming: IncomingMessage; outgoing: ServerResponse; upgrading: NonNullable<RouteArrived['upgrading']> }) => void,
): void {
  server.on('upgrade', (incoming: IncomingMessage, socket: Socket, head: Buffer) => {
    const outgoing = new ServerResponse(incoming);
    outgoing.shouldKeepAlive = false;
    socket.on('error', () => socket.destroy());
    if (!takesItsTurn(outgoing, socket)) return void socket.destroy();
    outgoing.once('finish', () => leave(socket));
    const upgrading = { socket, head, taken: () => outgoing.detachSocket(socket) };
    serve({ incoming, outgoing, upgrading });
  });
}

/**
 * Gives an answer its connection. Node hands over a connection that is to be upgraded at once, also where requests that were pipelined before are still to be
 * answered on it, and then throws: nobody would catch it, and the process would end. Where clients may upgrade they must not pipeline (RFC 6455,
 * section 4.1), so such a connection is closed.
 */
function takesItsTurn(outgoing: ServerResponse, socket: Socket): boolean {
  try {
    outgoing.assignSocket(socket);
    return true;
  } catch {
    return false;
  }
}

/** What a client gets to take its refusal and to close, in milliseconds. */
const lastWritesMs = 5_000;

/**
 * Closes a connection that has left HTTP and became nothing. Nobody reads it any more, so whatever else the client sends, or its not closing, would
 * keep it open for ever: what comes is dropped, and it is cut when the time is over.
 */
function leave(socket: Socket): void {
  socket.end();
  socket.resume();
  const late = setTimeout(() => socket.destroy(), lastWritesMs);
  socket.once('close', () => clearTimeout(late));
}
