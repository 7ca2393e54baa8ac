import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startDemoServer } from '../../examples/demo-server/server.ts';
import { connectV1, connectV2Auto, connectV2Legacy, connectV2Modern } from '../support/clients.ts';
import { type EverythingServer, startEverythingServer } from '../support/everything-server.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';
import { startRecordingPassthrough } from '../support/recording-passthrough.ts';

const backendCredential = 'Bearer real-backend-credential';

let everything: EverythingServer;
let demo: Awaited<ReturnType<typeof startDemoServer>>;
let front: Awaited<ReturnType<typeof startRecordingPassthrough>>;
let gate: TestGateway;
let readKey: string;
let tradeKey: string;

beforeAll(async () => {
  everything = await startEverythingServer();
  demo = await startDemoServer({ port: 0, token: 'real-backend-credential' });
  front = await startRecordingPassthrough(demo.port);
  const credential = { header: 'authorization', value: backendCredential };
  gate = await startTestGateway({
    upstreams: {
      everything: {
        url: everything.url,
        environment: 'live',
        credential,
        tools: [
          { match: ['echo', 'get-sum', 'trigger-long-running-operation'], scope: 'read:everything', price: '0.001' },
          { match: ['trigger-*', 'get-roots-list'], scope: 'trade:everything', price: '0.01' },
        ],
        resources: [{ match: '**', scope: 'read:everything' }],
        prompts: [{ match: '*', scope: 'read:everything' }],
      },
      demo: {
        url: `http://127.0.0.1:${front.port}/mcp`,
        environment: 'live',
        credential,
        tools: [
          { match: ['list_notes', 'get_note', 'search_notes', 'slow_count'], scope: 'read:demo', price: '0.001' },
          { match: ['place_order', 'ask_name'], scope: 'trade:demo', price: '0.05' },
          { match: ['delete_note', 'admin_*'], scope: 'manage:demo' },
        ],
        resources: [{ match: 'notes://**', scope: 'read:demo' }],
        prompts: [{ match: '*', scope: 'read:demo' }],
      },
    },
  });
  readKey = (await gate.mint({ scopes: ['read'] })).key;
  tradeKey = (await gate.mint({ scopes: ['trade'] })).key;
});

afterAll(async () => {
  await gate.close();
  await front.close();
  await demo.close();
  await everything.close();
});

const clients = { v1: connectV1, 'v2 legacy': connectV2Legacy, 'v2 modern': connectV2Modern, 'v2 auto': connectV2Auto };

describe.each(Object.entries(clients))('%s client, demo server', (_name, connect) => {
  it('sees and calls with a read key only what may be read', async () => {
    const client = await connect(`${gate.url}/mcp/demo`, readKey);
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name).sort()).toEqual(['get_note', 'list_notes', 'search_notes', 'slow_count']);
    const answer = await client.callTool({ name: 'get_note', arguments: { id: 'n-1' } });
    expect(JSON.stringify(answer)).toContain('Welcome');
    await expect(client.callTool({ name: 'place_order', arguments: { item: 'tea', quantity: 1 } })).rejects.toThrow();
    await client.close();
  });

  it('sees more with a trade key', async () => {
    const client = await connect(`${gate.url}/mcp/demo`, tradeKey);
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name).sort()).toEqual([
      'ask_name',
      'get_note',
      'list_notes',
      'place_order',
      'search_notes',
      'slow_count',
    ]);
    const answer = await client.callTool({ name: 'place_order', arguments: { item: 'tea', quantity: 1 } });
    expect(answer.isError ?? false).toBe(false);
    await client.close();
  });

  it('reads resources and prompts and sees progress', async () => {
    const client = await connect(`${gate.url}/mcp/demo`, readKey);
    const { resources } = await client.listResources();
    expect(resources.length).toBeGreaterThan(0);
    const read = await client.readResource({ uri: resources[0]?.uri ?? '' });
    expect(read.contents.length).toBe(1);
    const { prompts } = await client.listPrompts();
    expect(prompts.map(({ name }) => name)).toEqual(['summarise_note']);
    const seen: number[] = [];
    const call = { name: 'slow_count', arguments: { to: 3, delayMs: 5 } };
    const onprogress = ({ progress }: { progress: number }) => void seen.push(progress);
    await (client.callTool as (...given: unknown[]) => Promise<unknown>).call(
      client,
      call,
      ...(_name === 'v1' ? [undefined, { onprogress }] : [{ onprogress }]),
    );
    expect(seen.length).toBeGreaterThan(0);
    await client.close();
  });
});

describe.each([
  ['v1', connectV1],
  ['v2 legacy', connectV2Legacy],
] as const)('%s client, reference server', (_name, connect) => {
  it('lists and calls only what the key may', async () => {
    const client = await connect(`${gate.url}/mcp/everything`, readKey);
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name).sort()).toEqual(['echo', 'get-sum', 'trigger-long-running-operation']);
    const answer = await client.callTool({ name: 'echo', arguments: { message: 'hello' } });
    expect(JSON.stringify(answer)).toContain('hello');
    await expect(client.callTool({ name: 'get-env', arguments: {} })).rejects.toThrow();
    await client.close();
  });

  it('answers sampling and elicitation through the gate', async () => {
    const asked: string[] = [];
    const client = await connect(`${gate.url}/mcp/everything`, tradeKey, {
      sampling: (params) => {
        asked.push(JSON.stringify(params));
        return { role: 'assistant', model: 'm', content: { type: 'text', text: 'sampled through the gate' } };
      },
      elicitation: () => ({ action: 'accept', content: { name: 'Ada' } }),
    });
    const sampled = await client.callTool({ name: 'trigger-sampling-request', arguments: { prompt: 'hi', maxTokens: 10 } });
    expect(JSON.stringify(sampled)).toContain('sampled through the gate');
    expect(asked.length).toBe(1);
    const elicited = await client.callTool({ name: 'trigger-elicitation-request', arguments: {} });
    expect(elicited.isError ?? false).toBe(false);
    expect(JSON.stringify(elicited)).toContain('Ada');
    await client.close();
  });

  it('passes progress on', async () => {
    const client = await connect(`${gate.url}/mcp/everything`, readKey);
    const seen: number[] = [];
    const call = { name: 'trigger-long-running-operation', arguments: { duration: 0.2, steps: 4 } };
    const options = { onprogress: ({ progress }: { progress: number }) => void seen.push(progress) };
    await (client.callTool as (...given: unknown[]) => Promise<unknown>).call(
      client,
      call,
      ...(_name === 'v1' ? [undefined, options] : [options]),
    );
    expect(seen).toEqual([1, 2, 3, 4]);
    await client.close();
  });
});

it('what the upstreams saw carries their own credential and no trace of an agent key', () => {
  const requests = [...everything.requests, ...front.requests];
  expect(requests.length).toBeGreaterThan(40);
  const secrets = [readKey, tradeKey].map((key) => key.split('_')[3] ?? key);
  for (const { rawHeaders, body } of requests) {
    const whole = `${rawHeaders.join('\n')}\n${body}`;
    for (const secret of secrets) expect(whole).not.toContain(secret);
    expect(whole).not.toContain('kg_live_');
    expect(rawHeaders.filter((name, at) => at % 2 === 0 && name.toLowerCase() === 'authorization').length).toBe(1);
    expect(whole).toContain(backendCredential);
    // What the gateway itself asks for, to see whether tools changed, speaks for nobody and has no id of a request.
    const relayed = rawHeaders.some((name) => name.toLowerCase() === 'x-request-id');
    expect(/x-keygate-assertion\neyJ/i.test(whole)).toBe(relayed);
  }
});

it('every request that reached an upstream has an intent, and every intent an outcome', async () => {
  const reached = [...everything.requests, ...front.requests].filter(({ body }) => body.includes('"tools/call"')).length;
  const intents = (await gate.journal('call.intent')).filter(({ method }) => method === 'tools/call').length;
  expect(intents).toBe(reached);
  const ended = await gate.journalled('call.outcome', (await gate.journal('call.intent')).length - gate.gateway.composed.live.size);
  expect(ended.length).toBeGreaterThanOrEqual(reached);
});
