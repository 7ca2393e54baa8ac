import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';

/** A server that opens websockets and echoes the raw bytes that follow, frames or not: what is between is none of a gateway's business. */
export async function startEchoSockets(options: { refuse?: number } = {}) {
  const opened: IncomingMessage[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((_request, response) => response.writeHead(426).end());
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  });
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    opened.push(request);
    if (options.refuse !== undefined) {
      socket.end(`HTTP/1.1 ${options.refuse} No\r\nset-cookie: a=b\r\ncontent-length: 6\r\n\r\nsecret`);
      return;
    }
    const accept = createHash('sha1')
      .update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest('base64');
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nSet-Cookie: a=b\r\nX-Secret: stack\r\n\r\n`,
    );
    if (head.length > 0) socket.write(head);
    socket.pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    url: `http://127.0.0.1:${address.port}/mcp`,
    opened,
    connections: () => sockets.size,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

export interface RawWebsocket {
  readonly socket: Socket;
  text(): string;
  /** Resolves once what was received matches. */
  seen(pattern: RegExp): Promise<void>;
  readonly closed: Promise<unknown>;
}

/** Asks for a websocket, as a client that sends what it likes. */
export function openRawWebsocket(url: string, options: { path: string; lines?: readonly string[] }): RawWebsocket {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined);
  let text = '';
  const looking = new Set<() => void>();
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk;
    for (const look of looking) look();
  });
  const key = randomBytes(16).toString('base64');
  const lines = ['Host: 127.0.0.1', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', `Sec-WebSocket-Key: ${key}`];
  socket.write(`GET ${options.path} HTTP/1.1\r\n${[...lines, ...(options.lines ?? [])].join('\r\n')}\r\n\r\n`);
  return {
    socket,
    text: () => text,
    closed: once(socket, 'close'),
    seen(pattern) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const look = () => {
        if (pattern.test(text)) resolve();
      };
      const late = setTimeout(() => reject(new Error(`no ${pattern} in ${JSON.stringify(text)}`)), 5_000);
      looking.add(look);
      look();
      return promise.finally(() => {
        clearTimeout(late);
        looking.delete(look);
      });
    },
  };
}
