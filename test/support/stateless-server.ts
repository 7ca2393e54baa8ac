import { EventEmitter, once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { type NodeIncomingMessageLike, toWebRequest } from '@modelcontextprotocol/node';
import { createMcpHandler, fromJsonSchema, inputRequired, inputResponse, McpServer } from '@modelcontextprotocol/server';
import { z } from 'zod';
import type { RecordedRequest } from './recorded-request.ts';
import { startRecordingPassthrough } from './recording-passthrough.ts';

/** A server of the v2 SDK that speaks 2026-07-28 and nothing else. */
export interface StatelessServer {
  /** Through a recording pass-through. */
  readonly url: string;
  readonly requests: RecordedRequest[];
  /** Says to every listener that a list has changed. */
  readonly notify: ReturnType<typeof createMcpHandler>['notify'];
  /** Resolves once so many `count_down` have been cancelled. */
  cancelled(count: number): Promise<void>;
  close(): Promise<void>;
}

export async function startStatelessServer(): Promise<StatelessServer> {
  const cancellations = new EventEmitter();
  let cancelled = 0;
  const onCancelled = () => {
    cancelled += 1;
    cancellations.emit('one');
  };
  const handler = createMcpHandler(() => newServer(onCancelled), { legacy: 'reject' });
  const http = createServer((incoming, outgoing) => {
    answer(handler, incoming as NodeIncomingMessageLike, outgoing).catch(() => outgoing.destroy());
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const address = http.address();
  if (address === null || typeof address === 'string') throw new Error('The system gave no port.');
  const front = await startRecordingPassthrough(address.port);
  return {
    url: `http://127.0.0.1:${front.port}/mcp`,
    requests: front.requests,
    notify: handler.notify,
    async cancelled(count) {
      while (cancelled < count) await once(cancellations, 'one', { signal: AbortSignal.timeout(5_000) });
    },
    async close() {
      await front.close();
      await handler.close();
      const closed = once(http, 'close');
      http.close();
      http.closeAllConnections();
      await closed;
    },
  };
}

async function answer(
  handler: ReturnType<typeof createMcpHandler>,
  incoming: NodeIncomingMessageLike,
  outgoing: ServerResponse,
): Promise<void> {
  const gone = new AbortController();
  outgoing.once('close', () => gone.abort());
  const response = await handler.fetch(await toWebRequest(incoming, undefined, { signal: gone.signal }));
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  if (response.body === null) {
    outgoing.end();
    return;
  }
  outgoing.flushHeaders();
  await pipeline(Readable.fromWeb(response.body), outgoing);
}

/** The schema's type does not know the extension. */
const inHeader: object = { 'x-mcp-header': 'Region' };

function newServer(cancelled: () => void): McpServer {
  const server = new McpServer(
    { name: 'stateless-only', version: '3.1.4' },
    { instructions: 'Speaks 2026-07-28 alone.', capabilities: { tools: { listChanged: true }, logging: {} } },
  );
  const say = (text: string) => ({ content: [{ type: 'text' as const, text }] });
  server.registerTool('echo', { description: 'Says it again', inputSchema: z.object({ message: z.string() }) }, ({ message }) =>
    say(message),
  );
  server.registerTool('secret', { description: 'Not for everyone', inputSchema: z.object({}) }, () => say('secret'));
  server.registerTool('who', { description: 'Says who calls', inputSchema: z.object({}) }, (_nothing, { mcpReq }) =>
    say(JSON.stringify(mcpReq._meta ?? {})),
  );
  server.registerTool(
    'routed',
    {
      description: 'Has an argument that goes into a header too',
      inputSchema: fromJsonSchema<{ region: string; text?: string }>({
        type: 'object',
        properties: { region: { type: 'string', ...inHeader }, text: { type: 'string' } },
        required: ['region'],
      }),
    },
    ({ region }) => say(`routed to ${region}`),
  );
  server.registerTool(
    'count_down',
    { description: 'Reports its progress, and stops when it is cancelled', inputSchema: z.object({ from: z.int(), delayMs: z.int() }) },
    async ({ from, delayMs }, { mcpReq }) => {
      mcpReq.signal.addEventListener('abort', () => cancelled());
      const progressToken = mcpReq._meta?.progressToken;
      for (let progress = 1; progress <= from; progress += 1) {
        if (progressToken !== undefined) {
          await mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress, total: from } });
        }
        await wait(delayMs, undefined, { signal: mcpReq.signal });
      }
      return say('done');
    },
  );
  server.registerTool('ask', { description: 'Wants to know more', inputSchema: z.object({}) }, (_nothing, { mcpReq }) => {
    const given = inputResponse(mcpReq.inputResponses, 'name');
    if (given.kind === 'elicit') return say('asked');
    const requestedSchema = z.object({ name: z.string() });
    return inputRequired({ inputRequests: { name: inputRequired.elicit({ message: 'Who?', requestedSchema }) } });
  });
  server.registerResource('note', 'note://one', { mimeType: 'text/plain' }, (uri) => ({ contents: [{ uri: uri.href, text: 'the note' }] }));
  server.registerPrompt('greet', { argsSchema: z.object({ name: z.string() }) }, ({ name }) => ({
    messages: [{ role: 'user' as const, content: { type: 'text' as const, text: `Greet ${name}` } }],
  }));
  return server;
}
