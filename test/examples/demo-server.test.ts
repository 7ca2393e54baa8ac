import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startDemoServer } from '../../examples/demo-server/server.ts';
import {
  type ConnectOptions,
  connectV1,
  connectV2Auto,
  connectV2Legacy,
  connectV2Modern,
  type V1Client,
  type V2Client,
} from '../support/clients.ts';
import { startProcess } from '../support/process.ts';

const token = 'demo-backend-credential';
const toolNames = ['list_notes', 'get_note', 'search_notes', 'place_order', 'delete_note', 'admin_reset', 'slow_count', 'ask_name'];
const withToken = { authorization: `Bearer ${token}`, 'content-type': 'application/json', accept: 'application/json, text/event-stream' };

let demo: Awaited<ReturnType<typeof startDemoServer>>;
beforeAll(async () => {
  demo = await startDemoServer({ port: 0, token });
});
afterAll(() => demo.close());

/** The three clients differ in how callTool takes its options; the tests below do not care. */
type Count = (onprogress: (step: { progress: number; total?: number | undefined }) => void) => Promise<unknown>;
const countTo3 = { name: 'slow_count', arguments: { to: 3, delayMs: 1 } };
const clients: [string, (options?: ConnectOptions) => Promise<{ client: V1Client | V2Client; era: string | undefined; count: Count }>][] = [
  [
    'SDK v1',
    async (options) => {
      const client = await connectV1(demo.url, token, options);
      return { client, era: 'legacy', count: (onprogress) => client.callTool(countTo3, undefined, { onprogress }) };
    },
  ],
  [
    'SDK v2, session era',
    async (options) => {
      const client = await connectV2Legacy(demo.url, token, options);
      return { client, era: client.getProtocolEra(), count: (onprogress) => client.callTool(countTo3, { onprogress }) };
    },
  ],
  [
    'SDK v2, 2026-07-28',
    async (options) => {
      const client = await connectV2Modern(demo.url, token, options);
      return { client, era: client.getProtocolEra(), count: (onprogress) => client.callTool(countTo3, { onprogress }) };
    },
  ],
];

describe.each(clients)('%s', (name, connect) => {
  test('lists every tool with its annotations and calls one', async () => {
    const { client, era } = await connect();
    expect(era).toBe(name.endsWith('2026-07-28') ? 'modern' : 'legacy');
    const { tools } = await client.listTools();
    expect(tools.map((tool) => tool.name)).toEqual(toolNames);
    expect(tools.find((tool) => tool.name === 'get_note')?.annotations).toEqual({ readOnlyHint: true });
    expect(tools.find((tool) => tool.name === 'delete_note')?.annotations).toMatchObject({ destructiveHint: true });
    const result = await client.callTool({ name: 'get_note', arguments: { id: 'n-2' } });
    expect(result).toMatchObject({ structuredContent: { id: 'n-2', title: 'Office plants' } });
    await client.close();
  });

  test('sees the progress of a slow call', async () => {
    const { client, count } = await connect();
    const steps: unknown[] = [];
    const result = await count((step) => steps.push(step));
    expect(result).toMatchObject({ content: [{ type: 'text', text: 'Counted to 3.' }] });
    expect(steps).toEqual([1, 2, 3].map((progress) => ({ progress, total: 3 })));
    await client.close();
  });

  test('answers a question of the server', async () => {
    const questions: unknown[] = [];
    const elicitation = (params: unknown) => {
      questions.push(params);
      return { action: 'accept' as const, content: { name: 'Grace' } };
    };
    const { client } = await connect({ elicitation });
    expect(await client.callTool({ name: 'ask_name', arguments: {} })).toMatchObject({ content: [{ text: 'Hello, Grace.' }] });
    expect(questions).toMatchObject([{ message: 'What is your name?' }]);
    await client.close();
  });

  test('may decline to answer', async () => {
    const { client } = await connect({ elicitation: () => ({ action: 'decline' }) });
    expect(await client.callTool({ name: 'ask_name', arguments: {} })).toMatchObject({ content: [{ text: 'Hello, whoever you are.' }] });
    await client.close();
  });

  test('reads resources, a prompt and a completion', async () => {
    const { client } = await connect();
    expect((await client.listResources()).resources.map(({ uri }) => uri)).toEqual(['notes://n-1', 'notes://n-2', 'notes://n-3']);
    expect((await client.listResourceTemplates()).resourceTemplates).toMatchObject([{ uriTemplate: 'notes://{id}' }]);
    const read = await client.readResource({ uri: 'notes://n-3' });
    expect(read.contents).toMatchObject([{ uri: 'notes://n-3', text: 'Order paper when fewer than five boxes are left.' }]);
    await expect(client.readResource({ uri: 'notes://nowhere' })).rejects.toMatchObject({ code: -32602 });
    const prompt = await client.getPrompt({ name: 'summarise_note', arguments: { id: 'n-2' } });
    expect(JSON.stringify(prompt.messages)).toContain('Water the fern');
    const { completion } = await client.complete({
      ref: { type: 'ref/resource', uri: 'notes://{id}' },
      argument: { name: 'id', value: 'n-' },
    });
    expect(completion.values).toEqual(['n-1', 'n-2', 'n-3']);
    await client.close();
  });

  test('changes notes and orders, and everything is as before after admin_reset', async () => {
    const { client } = await connect();
    const call = (tool: string, args: Record<string, unknown> = {}) => client.callTool({ name: tool, arguments: args });
    await call('admin_reset');
    const order = await call('place_order', { item: 'paper', quantity: 2, note: 'A4' });
    expect(order).toMatchObject({ content: [{ text: 'order-1: 2 x paper (A4)' }] });
    expect(await call('place_order', { item: 'paper', quantity: 0.5 })).toMatchObject({ isError: true });
    expect(await call('delete_note', { id: 'n-2' })).toMatchObject({ content: [{ text: 'Deleted n-2.' }] });
    expect(await call('delete_note', { id: 'n-2' })).toMatchObject({ isError: true });
    expect(await call('list_notes')).toMatchObject({ content: [{ text: 'n-1: Welcome\nn-3: Stationery' }] });
    await call('admin_reset');
    expect(await call('search_notes', { query: 'FERN' })).toMatchObject({ content: [{ text: 'n-2: Office plants' }] });
    expect(await call('place_order', { item: 'pens', quantity: 1 })).toMatchObject({ content: [{ text: 'order-1: 1 x pens' }] });
    await client.close();
  });
});

test('a client that probes finds the stateless era', async () => {
  const client = await connectV2Auto(demo.url, token);
  expect(client.getProtocolEra()).toBe('modern');
  await client.close();
});

test('a deleted note is announced on the GET stream of a session and on subscriptions/listen', async () => {
  const session = await connectV2Legacy(demo.url, token);
  const stateless = await connectV2Modern(demo.url, token);
  const announced = [session, stateless].map(
    (client) => new Promise<void>((resolve) => client.setNotificationHandler('notifications/resources/list_changed', () => resolve())),
  );
  const subscription = await stateless.listen({ resourcesListChanged: true });
  await stateless.callTool({ name: 'delete_note', arguments: { id: 'n-1' } });
  await Promise.all(announced);
  await subscription.close();
  await stateless.callTool({ name: 'admin_reset', arguments: {} });
  await Promise.all([session.close(), stateless.close()]);
});

describe('over plain HTTP', () => {
  const list = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' });
  const post = (headers: Record<string, string>, body = list) => fetch(demo.url, { method: 'POST', headers, body });

  test.each([
    ['no authorization', {}],
    ['another token', { authorization: 'Bearer wrong' }],
    ['the token with one more byte', { authorization: `Bearer ${token}x` }],
    ['another scheme', { authorization: `Basic ${token}` }],
  ])('%s is 401', async (_what, headers) => {
    for (const method of ['GET', 'POST', 'DELETE']) {
      const response = await fetch(demo.url, { method, headers, ...(method === 'POST' ? { body: list } : {}) });
      expect(response.status).toBe(401);
      expect(response.headers.get('www-authenticate')).toMatch(/^Bearer /);
      await response.body?.cancel();
    }
  });

  test('a session begins with initialize, is named by its id and ends with DELETE', async () => {
    const initialize = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } };
    const opened = await post(withToken, JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params: initialize }));
    const sessionId = opened.headers.get('mcp-session-id') ?? '';
    expect(sessionId).toMatch(/^[0-9a-f-]{36}$/);
    await opened.text();
    const inSession = { ...withToken, 'mcp-session-id': sessionId };
    expect(await (await post(inSession)).text()).toContain('list_notes');
    const ended = await fetch(demo.url, { method: 'DELETE', headers: inSession });
    expect(ended.status).toBe(200);
    expect((await post(inSession)).status).toBe(404);
    expect((await post(withToken)).status).toBe(400);
  });

  test('only /mcp exists, only local pages may call it and a body has a limit', async () => {
    expect((await fetch(new URL('/other', demo.url), { headers: withToken })).status).toBe(404);
    expect((await post({ ...withToken, origin: 'https://evil.example' })).status).toBe(403);
    expect((await post(withToken, ' '.repeat(5 * 1024 * 1024))).status).toBe(413);
  });
});

test('two servers do not share notes', async () => {
  const other = await startDemoServer({ port: 0, token: 'another' });
  const client = await connectV2Modern(other.url, 'another');
  await client.callTool({ name: 'delete_note', arguments: { id: 'n-3' } });
  await client.close();
  await other.close();
  await expect(fetch(other.url)).rejects.toThrow();
  const first = await connectV2Modern(demo.url, token);
  expect(await first.callTool({ name: 'get_note', arguments: { id: 'n-3' } })).not.toHaveProperty('isError');
  await first.close();
});

test('main.ts serves until it is told to stop, and does not start without a token', async () => {
  const main = join(import.meta.dirname, '../../examples/demo-server/main.ts');
  const started = await startProcess(process.execPath, [main, '--port', '0'], { env: { DEMO_TOKEN: token }, ready: /listening on/ });
  const [url] = await started.printed(/http:\/\/127\.0\.0\.1:\d+\/mcp/);
  const client = await connectV1(url, token);
  expect((await client.listTools()).tools).toHaveLength(toolNames.length);
  started.kill('SIGTERM');
  expect(await started.exited).toEqual({ code: 0, signal: null });
  await client.close();

  const withoutToken = startProcess(process.execPath, [main, '--port', '0'], { env: { DEMO_TOKEN: undefined }, ready: /listening on/ });
  await expect(withoutToken).rejects.toThrow(/code 2.*Usage/s);
});
