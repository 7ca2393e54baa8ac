import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * The upstream of the revocation benchmark, a process of its own: answers every POST as the result of a tools/call, and keeps every GET open as
 * a stream in which nothing is said. Prints its port and serves until it is ended.
 */
const server = createServer((request, response) => {
  if (request.method === 'GET') return void response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => answer(Buffer.concat(chunks), response));
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => console.log(`listening on ${(server.address() as AddressInfo).port}`));

function answer(body: Buffer, response: ServerResponse): void {
  const { id } = JSON.parse(body.toString('utf8')) as { id: unknown };
  const bytes = Buffer.from(JSON.stringify({ jsonrpc: '2.0', id, result: { content: [{ type: 'text', text: 'done' }] } }));
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': bytes.length }).end(bytes);
}
