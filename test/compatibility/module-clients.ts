import { createMCPClient } from '@ai-sdk/mcp';
import { MCPServerStreamableHttp } from '@openai/agents';
import { connectV1, connectV2Legacy, connectV2Modern, type V1Client, type V2Client } from '../support/clients.ts';
import type { Connected, MatrixClient, ToolCall } from './connected.ts';
import { textOf } from './text-of.ts';

/** Clients that are libraries, in this process. */
export const moduleClients: readonly MatrixClient[] = [
  {
    name: 'SDK v1',
    package: '@modelcontextprotocol/sdk',
    era: 'session',
    connect: async (url, key) => v1Connected(await connectV1(url, key)),
  },
  {
    name: 'SDK v2 legacy',
    package: '@modelcontextprotocol/client',
    era: 'session',
    connect: async (url, key) => v2Connected(await connectV2Legacy(url, key)),
  },
  {
    name: 'SDK v2 modern',
    package: '@modelcontextprotocol/client',
    era: 'stateless',
    connect: async (url, key) => v2Connected(await connectV2Modern(url, key)),
  },
  {
    name: '@ai-sdk/mcp',
    package: '@ai-sdk/mcp',
    era: 'any',
    noCancel: 'in a session it only closes its connection, which there is no cancellation',
    connect: connectAiSdk,
  },
  { name: '@openai/agents', package: '@openai/agents', era: 'any', connect: connectAgents },
];

/** Also what speaks through a program that turns stdio into HTTP. */
export function v1Connected(client: V1Client): Connected {
  return {
    list: async () => (await client.listTools()).tools.map(({ name }) => name),
    call: async ({ tool, args }) => textOf(await client.callTool({ name: tool, arguments: args })),
    async stream({ tool, args }) {
      const seen: number[] = [];
      const onprogress = ({ progress }: { progress: number }) => void seen.push(progress);
      const text = textOf(await client.callTool({ name: tool, arguments: args }, undefined, { onprogress }));
      return { text, progress: seen.length };
    },
    cancel: (wanted, running) =>
      givenUp(running, (signal) => client.callTool({ name: wanted.tool, arguments: wanted.args }, undefined, { signal })),
    close: () => client.close(),
  };
}

function v2Connected(client: V2Client): Connected {
  return {
    list: async () => (await client.listTools()).tools.map(({ name }) => name),
    call: async ({ tool, args }) => textOf(await client.callTool({ name: tool, arguments: args })),
    async stream({ tool, args }) {
      const seen: number[] = [];
      const onprogress = ({ progress }: { progress: number }) => void seen.push(progress);
      const text = textOf(await client.callTool({ name: tool, arguments: args }, { onprogress }));
      return { text, progress: seen.length };
    },
    cancel: (wanted, running) => givenUp(running, (signal) => client.callTool({ name: wanted.tool, arguments: wanted.args }, { signal })),
    close: () => client.close(),
  };
}

async function connectAiSdk(url: string, key: string): Promise<Connected> {
  const client = await createMCPClient({ transport: { type: 'http', url, headers: { authorization: `Bearer ${key}` } } });
  const call = async ({ tool, args }: ToolCall) => textOf(await client.callTool({ name: tool, arguments: { ...args } }));
  const cancel: Connected['cancel'] = (wanted, running) =>
    givenUp(running, (signal) => client.callTool({ name: wanted.tool, arguments: { ...wanted.args }, options: { signal } }));
  return {
    list: async () => (await client.listTools()).tools.map(({ name }) => name),
    call,
    stream: async (wanted) => ({ text: await call(wanted), progress: undefined }),
    ...(client.initializeResult.protocolVersion === '2026-07-28' && { cancel }),
    close: () => client.close(),
  };
}

async function connectAgents(url: string, key: string): Promise<Connected> {
  const server = new MCPServerStreamableHttp({ url, name: 'keygate', requestInit: { headers: { authorization: `Bearer ${key}` } } });
  await server.connect();
  const call = async ({ tool, args }: ToolCall) => textOf({ content: await server.callTool(tool, { ...args }) });
  return {
    list: async () => (await server.listTools()).map(({ name }) => name),
    call,
    stream: async (wanted) => ({ text: await call(wanted), progress: undefined }),
    cancel: (wanted, running) => givenUp(running, (signal) => server.callTool(wanted.tool, { ...wanted.args }, undefined, { signal })),
    close: () => server.close(),
  };
}

/** Rejects where the call had an answer although it was given up. */
async function givenUp(running: Promise<void>, begin: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
  const leaving = new AbortController();
  const outcome = begin(leaving.signal).then(
    () => 'answered',
    (problem: unknown) => (leaving.signal.aborted ? 'given up' : String(problem)),
  );
  await Promise.race([running, outcome]);
  leaving.abort();
  const said = await outcome;
  if (said !== 'given up') throw new Error(`the call was not given up: ${said}`);
}
