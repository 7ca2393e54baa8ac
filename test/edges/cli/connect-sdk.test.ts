import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type EverythingServer, startEverythingServer } from '../../support/everything-server.ts';

const main = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));

/** The official client over stdio, the whole program between, the reference server behind. */
describe('connect with the official client', () => {
  let server: EverythingServer;
  let client: Client;

  beforeAll(async () => {
    server = await startEverythingServer();
    client = new Client({ name: 'stdio-client', version: '1.0.0' });
    const transport = new StdioClientTransport({
      command: process.execPath,
      args: [main, 'connect', server.url],
      env: { AGENT_API_KEY: 'kg_live_AbCd1234_secret' },
      stderr: 'pipe',
    });
    await client.connect(transport);
  });
  afterAll(async () => {
    await client?.close();
    await server?.close();
  });

  it('lists and calls tools, with progress before the result', async () => {
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toContain('echo');
    expect(await client.callTool({ name: 'echo', arguments: { message: 'zwölf\n' } })).toMatchObject({
      content: [{ type: 'text', text: 'Echo: zwölf\n' }],
    });
    // The client runs progress callbacks a microtask late and forgets them with the result, so over any stdio server it may lose
    // the last one. What the bridge answers for is what reaches the client's transport, and in which order.
    const arrived: string[] = [];
    const { transport } = client;
    const receive = transport?.onmessage;
    if (transport === undefined || receive === undefined) throw new Error('the client is not connected');
    transport.onmessage = (message, extra) => {
      arrived.push('method' in message ? `${message.method} ${JSON.stringify(message.params?.progress)}` : 'answer');
      receive(message, extra);
    };
    const call = { name: 'trigger-long-running-operation', arguments: { duration: 0.2, steps: 2 } };
    await client.callTool(call, undefined, { onprogress: () => undefined });
    expect(arrived).toEqual(['notifications/progress 1', 'notifications/progress 2', 'answer']);
  });

  it('keeps the handshake before everything else, and ends the session with the client', async () => {
    await client.close();
    const methods = server.requests.map(({ method }) => method);
    expect(methods.slice(0, 2)).toEqual(['POST', 'POST']);
    expect(methods).toContain('GET');
    expect(methods.at(-1)).toBe('DELETE');
  });
});
