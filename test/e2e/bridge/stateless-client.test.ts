import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectV2Auto, connectV2Modern } from '../../support/clients.ts';
import { stateless } from '../../support/eras.ts';
import { type EverythingServer, startEverythingServer } from '../../support/everything-server.ts';
import { startTestGateway, type TestGateway, upstreamConfig } from '../../support/gateway.ts';
import { post } from '../../support/post.ts';
import { rpcMethod } from '../../support/recorded-request.ts';

let server: EverythingServer;
let gate: TestGateway;
let key: string;

beforeAll(async () => {
  server = await startEverythingServer();
  const tools = [
    { match: ['echo', 'get-sum', 'trigger-long-running-operation', 'trigger-sampling-request'], scope: 'read:up', price: '0.01' },
    { match: 'get-env', scope: 'manage:up', price: '0.01' },
  ];
  gate = await startTestGateway({ upstreams: { up: upstreamConfig(server.url, { tools }) } });
  key = (await gate.mint({ scopes: ['read'] })).key;
});

afterAll(async () => {
  await gate?.close();
  await server?.close();
});

const sent = (method: string) => server.requests.filter((request) => rpcMethod(request) === method);

describe.each(Object.entries({ 'v2 modern': connectV2Modern, 'v2 auto': connectV2Auto }))(
  '%s client in front of a server of sessions alone',
  (_name, connect) => {
    const open = (bearer = key) => connect(`${gate.url}/mcp/up`, bearer);

    it('connects in 2026-07-28 and learns who the server is', async () => {
      const client = await open();
      expect(client.getNegotiatedProtocolVersion()).toBe('2026-07-28');
      expect(client.getServerVersion()?.name).toBe('mcp-servers/everything');
      expect(client.getServerCapabilities()?.tools).toBeDefined();
      await client.close();
    });

    it('lists what the key may use, and calls it', async () => {
      const client = await open();
      const { tools } = await client.listTools();
      expect(tools.map(({ name }) => name)).toContain('echo');
      expect(tools.map(({ name }) => name)).not.toContain('get-env');
      const answer = await client.callTool({ name: 'echo', arguments: { message: 'over the bridge' } });
      expect(JSON.stringify(answer)).toContain('over the bridge');
      await expect(client.callTool({ name: 'get-env', arguments: {} })).rejects.toThrow();
      await client.close();
    });

    it('hears of progress', async () => {
      const client = await open();
      const seen: number[] = [];
      const onprogress = ({ progress }: { progress: number }) => void seen.push(progress);
      await client.callTool({ name: 'trigger-long-running-operation', arguments: { duration: 0.2, steps: 4 } }, { onprogress });
      expect(seen).toEqual([1, 2, 3, 4]);
      await client.close();
    });

    it('reads resources and prompts', async () => {
      const client = await open();
      const { resources } = await client.listResources();
      const uri = resources[0]?.uri ?? '';
      expect((await client.readResource({ uri })).contents.length).toBeGreaterThan(0);
      const { prompts } = await client.listPrompts();
      const named = prompts.find(({ arguments: args }) => !args?.length)?.name ?? '';
      expect((await client.getPrompt({ name: named })).messages.length).toBeGreaterThan(0);
      await client.close();
    });

    it('a tool that would ask the client is told that it cannot', async () => {
      const client = await open();
      const called = client.callTool({ name: 'trigger-sampling-request', arguments: { prompt: 'hi' } });
      await expect(
        called.then((answer) => (answer.isError ? Promise.reject(new Error(JSON.stringify(answer))) : answer)),
      ).rejects.toThrow();
      await client.close();
    });

    it('cancels a call by closing its stream, and the server is told which', async () => {
      const client = await open();
      const before = sent('notifications/cancelled').length;
      const gone = new AbortController();
      const started = Promise.withResolvers<void>();
      const call = { name: 'trigger-long-running-operation', arguments: { duration: 30, steps: 300 } };
      const calling = client.callTool(call, { signal: gone.signal, onprogress: () => started.resolve() });
      const refused = expect(calling).rejects.toThrow();
      await started.promise;
      gone.abort();
      await refused;
      const told = await server.received(before + 1, (request) => rpcMethod(request) === 'notifications/cancelled');
      const asked = sent('tools/call').at(-1);
      expect(JSON.parse(told.at(-1)?.body ?? '').params.requestId).toBe(JSON.parse(asked?.body ?? '').id);
      expect(told.at(-1)?.headers['mcp-session-id']).toBe(asked?.headers['mcp-session-id']);
      await client.close();
    });
  },
);

it('what the server saw is the session era, without a trace of the other', () => {
  const calls = sent('tools/call');
  expect(calls.length).toBeGreaterThan(5);
  for (const { headers, body } of calls) {
    expect(headers).toMatchObject({ 'mcp-protocol-version': '2025-11-25', 'mcp-session-id': expect.any(String) });
    expect(headers['mcp-method']).toBeUndefined();
    expect(headers['mcp-name']).toBeUndefined();
    expect(body).not.toContain('io.modelcontextprotocol/');
  }
  // One key, one session.
  expect(new Set(calls.map(({ headers }) => headers['mcp-session-id'])).size).toBe(1);
});

it('two callers of one key with the same ids get each their own answer', async () => {
  const ask = (text: string) =>
    post(`${gate.url}/mcp/up`, { key, ...stateless('tools/call', { name: 'echo', arguments: { message: text } }, 7) });
  const texts = Array.from({ length: 20 }, (_, at) => `caller ${at}.`);
  const answers = await Promise.all(texts.map(ask));
  expect(answers.map(({ text }, at) => text.includes('"id":7') && text.includes(texts[at] ?? '-'))).toEqual(texts.map(() => true));
});

it('a session that the server has forgotten is opened anew, and the call is made once', async () => {
  const lost = sent('tools/call').at(-1)?.headers['mcp-session-id'];
  await fetch(server.directUrl, { method: 'DELETE', headers: { 'mcp-session-id': String(lost) } });
  const client = await connectV2Modern(`${gate.url}/mcp/up`, key);
  const call = () => client.callTool({ name: 'echo', arguments: { message: 'again' } });
  const first = await call().catch(() => call());
  expect(JSON.stringify(first)).toContain('again');
  expect(sent('tools/call').at(-1)?.headers['mcp-session-id']).not.toBe(lost);
  await client.close();
});

it('each call is charged once', async () => {
  const { key: budgeted } = await gate.mint({ scopes: ['read'], budgets: [{ amount: '0.02', per: 'day' }] });
  const client = await connectV2Modern(`${gate.url}/mcp/up`, budgeted);
  const call = () => client.callTool({ name: 'echo', arguments: { message: 'paid' } });
  await call();
  await call();
  await expect(call()).rejects.toThrow(/budget/i);
  await client.close();
});

it('another key has another session', () => {
  const calls = sent('tools/call').filter(({ body }) => body.includes('"paid"'));
  const others = sent('tools/call').filter(({ body }) => !body.includes('"paid"'));
  const before = new Set(others.map(({ headers }) => headers['mcp-session-id']));
  expect(calls.length).toBe(2);
  for (const { headers } of calls) expect(before.has(headers['mcp-session-id'])).toBe(false);
});

it('the sessions end with the gateway', async () => {
  const opened = sent('initialize').length;
  await gate.close();
  expect(server.requests.filter(({ method }) => method === 'DELETE').length).toBeGreaterThan(0);
  expect(opened).toBeLessThan(12);
});
