import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startDemoServer } from '../../examples/demo-server/server.ts';
import { connectV2Modern } from '../support/clients.ts';
import { type EverythingServer, startEverythingServer } from '../support/everything-server.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';

let everything: EverythingServer;
let demo: Awaited<ReturnType<typeof startDemoServer>>;
let gate: TestGateway;
let keys: string[];

beforeAll(async () => {
  everything = await startEverythingServer();
  demo = await startDemoServer({ port: 0, token: 'backend' });
  const credential = { header: 'authorization', value: 'Bearer backend' };
  const tools = [{ match: '*', scope: 'read:up', price: '0.01' }];
  gate = await startTestGateway({
    upstreams: {
      everything: { url: everything.url, environment: 'live', credential, tools },
      demo: { url: demo.url, environment: 'live', credential, tools },
    },
  });
  const minted = [await gate.mint({ scopes: ['read'] }), await gate.mint({ scopes: ['read'] })];
  keys = minted.map(({ key }) => key);
});
afterAll(async () => {
  await gate.close();
  await demo.close();
  await everything.close();
});

async function connect(key: string, elicited: () => void): Promise<Client> {
  const client = new Client({ name: 'c', version: '1' }, { capabilities: { elicitation: { form: {} }, tasks: { list: {}, cancel: {} } } });
  client.setRequestHandler(ElicitRequestSchema, () => {
    elicited();
    return { action: 'accept', content: { interpretation: 'technical' } };
  });
  const headers = { authorization: `Bearer ${key}` };
  const transport = new StreamableHTTPClientTransport(new URL(`${gate.url}/mcp/everything`), { requestInit: { headers } });
  await client.connect(transport as Transport);
  return client;
}

it('the v1 client runs a task of the reference server through the gate, is asked in the middle of it, and finds it in its list alone', async () => {
  let asked = 0;
  const [client, stranger] = [await connect(keys[0] ?? '', () => (asked += 1)), await connect(keys[1] ?? '', () => undefined)];
  await client.listTools();
  const call = { name: 'simulate-research-query', arguments: { topic: 'gates', ambiguous: true }, task: { ttl: 60_000 } };
  const seen: string[] = [];
  let taskId = '';
  for await (const message of client.experimental.tasks.callToolStream(call)) {
    seen.push(message.type);
    if (message.type === 'taskCreated') taskId = message.task.taskId;
    if (message.type === 'taskStatus') expect(message.task.taskId).toBe(taskId);
    if (message.type === 'result') expect(JSON.stringify(message.result)).toContain('Research Report: gates (technical)');
    if (message.type === 'error') throw message.error;
  }
  expect(seen[0]).toBe('taskCreated');
  expect(seen.at(-1)).toBe('result');
  expect(asked).toBe(1);
  expect((await client.experimental.tasks.listTasks()).tasks.map((task) => task.taskId)).toEqual([taskId]);
  expect((await stranger.experimental.tasks.listTasks()).tasks).toEqual([]);
  await expect(stranger.experimental.tasks.getTask(taskId)).rejects.toThrow();
  await client.close();
  await stranger.close();
  const priced = (await gate.journal('call.outcome')).filter(({ charged }) => charged !== '0');
  expect(priced.map(({ method, tool, charged }) => [method, tool, charged])).toEqual([['tools/call', 'simulate-research-query', '0.01']]);
});

it('the v2 client is asked by a v2 server in a second round, and pays once', async () => {
  const client = await connectV2Modern(`${gate.url}/mcp/demo`, keys[0], {
    elicitation: () => ({ action: 'accept', content: { name: 'Grace' } }),
  });
  expect(JSON.stringify(await client.callTool({ name: 'ask_name', arguments: {} }))).toContain('Grace');
  await client.close();
  const outcomes = await gate.journalled('call.outcome', (await gate.journal('call.intent')).length);
  const calls = outcomes.filter(({ upstream, method }) => upstream === 'demo' && method === 'tools/call');
  expect(calls.map(({ round, charged }) => [round, charged])).toEqual([
    [undefined, '0.01'],
    [1, '0'],
  ]);
});
