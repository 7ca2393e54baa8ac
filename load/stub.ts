import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * The upstream of the load smoke, a process of its own: answers every POST as the result of a tools/call and counts by path, so that each
 * way to it has a count of its own. GET /counts tells the counts. Prints its port and serves until it is ended.
 */
const counts: Record<string, number> = {};
const padding = 'x'.repeat(240);

const server = createServer((request, response) => {
  const path = request.url ?? '/';
  if (request.method === 'GET') return void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(counts));
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    counts[path] = (counts[path] ?? 0) + 1;
    const { id, params } = JSON.parse(Buffer.concat(chunks).toString('utf8')) as { id: unknown; params: { arguments: { mark: string } } };
    const content = [{ type: 'text', text: `${params.arguments.mark} ${padding}` }];
    const bytes = Buffer.from(JSON.stringify({ jsonrpc: '2.0', id, result: { content } }));
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': bytes.length }).end(bytes);
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => console.log(`listening on ${(server.address() as AddressInfo).port}`));
