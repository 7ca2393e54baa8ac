import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * The upstream of the load measurements, a process of its own: answers every POST of a tools/call with the mark in its arguments, padded to as
 * many bytes as they ask for, and every tools/list with as many tools as its path ends in. It counts calls by path, so that each way to it has a
 * count of its own. GET tells the counts. Prints its port and serves until it is ended.
 */
interface Message {
  readonly id: unknown;
  readonly method: string;
  readonly params?: { readonly arguments?: { readonly mark?: string; readonly answerBytes?: number } };
}

const counts: Record<string, number> = {};
const paddingBytes = 240;

const server = createServer((request, response) => {
  const path = request.url ?? '/';
  if (request.method === 'GET') return void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(counts));
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const message = JSON.parse(Buffer.concat(chunks).toString('utf8')) as Message;
    // A gateway asks for tools by itself too, which is nobody's call.
    if (message.method === 'tools/call') counts[path] = (counts[path] ?? 0) + 1;
    const result = message.method === 'tools/list' ? { tools: listOf(path) } : { content: [{ type: 'text', text: textFor(message) }] };
    const bytes = Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: message.id, result }));
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': bytes.length }).end(bytes);
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => console.log(`listening on ${(server.address() as AddressInfo).port}`));

function textFor({ params }: Message): string {
  return `${params?.arguments?.mark} ${'x'.repeat(params?.arguments?.answerBytes ?? paddingBytes)}`;
}

/** Half of the tools read, the other half writes; each as long as tools of real servers are. */
function listOf(path: string): object[] {
  const count = Number(/\d+$/.exec(path)?.[0] ?? '0');
  return Array.from({ length: count }, (_, nth) => ({
    name: `${nth % 2 === 0 ? 'get' : 'set'}_thing_${nth}`,
    description: `Thing number ${nth}: what it is, when it changed, and who owns it. `.repeat(3),
    inputSchema: {
      type: 'object',
      properties: { id: { type: 'string', description: 'Its id.' }, depth: { type: 'integer', minimum: 0, maximum: 9 } },
      required: ['id'],
    },
  }));
}
