import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type NodeIncomingMessageLike, toWebRequest } from '@modelcontextprotocol/node';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import { z } from 'zod';
import { type Caller, createVerify } from './verify.ts';

/**
 * A small MCP server that takes no credential of its own: it believes the gateway's `X-Keygate-Assertion` and nothing else. Its one tool
 * answers who called. @param options.jwksUrl where the gateway publishes its keys @param options.issuer the gateway's `publicUrl`
 */
export async function startVerifyingUpstream(options: {
  port: number;
  jwksUrl: string;
  issuer: string;
  cooldownMs?: number;
}): Promise<{ url: string; close(): Promise<void> }> {
  const calling = new AsyncLocalStorage<Caller>();
  const handler = createMcpHandler(() => createWhoServer(() => calling.getStore()));
  let verify: ReturnType<typeof createVerify> | undefined;

  const answer = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const caller = await verify?.(String(incoming.headers['x-keygate-assertion'] ?? '')).catch(() => undefined);
    if (!caller) {
      // Whoever comes without the gateway gets nothing, and is not told why.
      outgoing.writeHead(401, { 'www-authenticate': 'Bearer' }).end();
      return;
    }
    const response = await calling.run(caller, async () => handler.fetch(await toWebRequest(incoming as NodeIncomingMessageLike)));
    outgoing.writeHead(response.status, Object.fromEntries(response.headers));
    outgoing.end(Buffer.from(await response.arrayBuffer()));
  };

  const http = createServer((incoming, outgoing) => {
    answer(incoming, outgoing).catch(() => (outgoing.headersSent ? outgoing.destroy() : outgoing.writeHead(500).end()));
  });
  http.listen(options.port, '127.0.0.1');
  await once(http, 'listening');
  const address = http.address();
  const url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : options.port}/mcp`;
  verify = createVerify({ ...options, audience: url });

  return {
    url,
    async close() {
      const closed = once(http, 'close');
      http.close();
      await handler.close();
      http.closeAllConnections();
      await closed;
    },
  };
}

function createWhoServer(caller: () => Caller | undefined): McpServer {
  const server = new McpServer({ name: 'verifying-upstream', version: '1.0.0' });
  server.registerTool(
    'who_am_i',
    { description: 'Says who calls, as the gateway vouches for it', inputSchema: z.object({}), annotations: { readOnlyHint: true } },
    () => ({ content: [{ type: 'text' as const, text: JSON.stringify(caller()) }] }),
  );
  return server;
}
