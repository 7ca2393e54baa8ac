import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectV1, connectV2Legacy } from '../../support/clients.ts';
import { startTestGateway, type TestGateway, upstreamConfig } from '../../support/gateway.ts';
import { rpcMethod } from '../../support/recorded-request.ts';
import { type StatelessServer, startStatelessServer } from '../../support/stateless-server.ts';

let server: StatelessServer;
let gate: TestGateway;
let key: string;
/** Calls that the tests have cancelled. */
let cancelled = 0;

beforeAll(async () => {
  server = await startStatelessServer();
  const tools = [
    { match: ['echo', 'who', 'routed', 'count_down', 'ask'], scope: 'read:up', price: '0.01' },
    { match: 'secret', scope: 'manage:up', price: '0.01' },
  ];
  gate = await startTestGateway({ upstreams: { up: upstreamConfig(server.url, { tools }) } });
  key = (await gate.mint({ scopes: ['read'] })).key;
});

afterAll(async () => {
  await gate?.close();
  await server?.close();
});

const clients = { v1: connectV1, 'v2 legacy': connectV2Legacy };

describe.each(Object.entries(clients))('%s client in front of a server of 2026-07-28 alone', (name, connect) => {
  const open = (bearer = key) => connect(`${gate.url}/mcp/up`, bearer);
  const call = (client: Awaited<ReturnType<typeof open>>, tool: string, args: object, options: object = {}): Promise<unknown> =>
    (client.callTool as (...given: unknown[]) => Promise<unknown>).call(
      client,
      { name: tool, arguments: args },
      ...(name === 'v1' ? [undefined, options] : [options]),
    );

  it('connects and learns who the server is', async () => {
    const client = await open();
    expect(client.getServerVersion()).toMatchObject({ name: 'stateless-only', version: '3.1.4' });
    expect(client.getInstructions()).toBe('Speaks 2026-07-28 alone.');
    expect(client.getServerCapabilities()).toMatchObject({ tools: { listChanged: true } });
    expect(client.getServerCapabilities()?.logging).toBeUndefined();
    await client.ping();
    await client.close();
  });

  it('lists what the key may use, and calls it', async () => {
    const client = await open();
    const { tools } = await client.listTools();
    expect(tools.map((tool) => tool.name).sort()).toEqual(['ask', 'count_down', 'echo', 'routed', 'who']);
    expect(JSON.stringify(await call(client, 'echo', { message: 'over the bridge' }))).toContain('over the bridge');
    await expect(call(client, 'secret', {})).rejects.toThrow();
    await client.close();
  });

  it('says in each request who the client is', async () => {
    const client = await open();
    const said = JSON.stringify(await call(client, 'who', {}));
    await client.close();
    expect(said).not.toContain('sampling');
    const [request] = server.requests.filter(({ body }) => body.includes('"who"')).slice(-1);
    expect(request?.headers).toMatchObject({ 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'who' });
    expect(request?.headers['mcp-session-id']).toBeUndefined();
    expect(request?.body).toContain('"io.modelcontextprotocol/clientInfo":{"name":"test-client","version":"1.0.0"}');
  });

  it('mirrors arguments that the tool wants in headers', async () => {
    const client = await open();
    expect(JSON.stringify(await call(client, 'routed', { region: 'köln' }))).toContain('routed to köln');
    await client.close();
  });

  it('hears of progress', async () => {
    const client = await open();
    const seen: number[] = [];
    await call(
      client,
      'count_down',
      { from: 3, delayMs: 1 },
      { onprogress: ({ progress }: { progress: number }) => void seen.push(progress) },
    );
    expect(seen).toEqual([1, 2, 3]);
    await client.close();
  });

  it('reads resources and prompts', async () => {
    const client = await open();
    expect((await client.listResources()).resources.map(({ uri }) => uri)).toEqual(['note://one']);
    expect(JSON.stringify(await client.readResource({ uri: 'note://one' }))).toContain('the note');
    expect((await client.listPrompts()).prompts.map((prompt) => prompt.name)).toEqual(['greet']);
    expect(JSON.stringify(await client.getPrompt({ name: 'greet', arguments: { name: 'Ada' } }))).toContain('Greet Ada');
    await client.close();
  });

  it('is told why a call that asks back cannot be answered', async () => {
    const client = await open();
    await expect(call(client, 'ask', {})).rejects.toThrow(/Connect with 2026-07-28/);
    await client.close();
  });

  it('hears on its own stream that a list has changed', async () => {
    const changed = Promise.withResolvers<void>();
    const client = await open();
    client.fallbackNotificationHandler = async ({ method }) => {
      if (method === 'notifications/tools/list_changed') changed.resolve();
    };
    // The client opens the stream by itself once it is initialized; whether it is open yet is known by what arrives.
    const telling = setInterval(() => server.notify.toolsChanged(), 20);
    await changed.promise.finally(() => clearInterval(telling));
    await client.close();
  });

  it('cancels a call, and the server hears of it', async () => {
    const client = await open();
    const gone = new AbortController();
    const started = Promise.withResolvers<void>();
    const calling = call(client, 'count_down', { from: 100, delayMs: 50 }, { signal: gone.signal, onprogress: () => started.resolve() });
    const refused = expect(calling).rejects.toThrow();
    await started.promise;
    gone.abort();
    await refused;
    cancelled += 1;
    await server.cancelled(cancelled);
    await client.close();
  });
});

it('each call is charged once', async () => {
  const { key: budgeted } = await gate.mint({ scopes: ['read'], budgets: [{ amount: '0.02', per: 'day' }] });
  const client = await connectV1(`${gate.url}/mcp/up`, budgeted);
  const call = () => client.callTool({ name: 'echo', arguments: { message: 'paid' } });
  await call();
  await call();
  await expect(call()).rejects.toThrow(/budget/i);
  await client.close();
});

it('every call has one intent, and the server saw one request', async () => {
  const sent = server.requests.filter((request) => rpcMethod(request) === 'tools/call').length;
  const intents = (await gate.journal('call.intent')).filter(({ method }) => method === 'tools/call').length;
  expect(intents).toBe(sent);
});
