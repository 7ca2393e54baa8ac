import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startDemoServer } from '../../examples/demo-server/server.ts';
import { connectV1, connectV2Auto, connectV2Legacy, connectV2Modern } from '../support/clients.ts';
import { type EverythingServer, startEverythingServer } from '../support/everything-server.ts';
import { startTestGateway, type TestGateway, upstreamConfig } from '../support/gateway.ts';

let everything: EverythingServer;
let demo: Awaited<ReturnType<typeof startDemoServer>>;
let gate: TestGateway;
let key: string;
let agentKey: string;

beforeAll(async () => {
  everything = await startEverythingServer();
  demo = await startDemoServer({ port: 0, token: 'upstream-secret' });
  const notes = [{ match: ['list_notes', 'get_note', 'slow_count'], scope: 'read:demo', price: '0.001' }];
  const read = [{ match: '*', scope: 'read:demo' }];
  gate = await startTestGateway({
    upstreams: {
      demo: upstreamConfig(`http://127.0.0.1:${demo.port}/mcp`, {
        tools: notes,
        prompts: read,
        resources: [{ match: '**', scope: 'read:demo' }],
      }),
      everything: upstreamConfig(everything.url),
      down: upstreamConfig('http://127.0.0.1:9/mcp'),
    },
    agents: { desk: { upstreams: ['everything', 'demo'] } },
  });
  ({ key } = await gate.mint({ scopes: ['read'] }));
  ({ key: agentKey } = await gate.mint({ scopes: ['read'], agentId: 'desk' }));
});
afterAll(async () => {
  await gate.close();
  await demo.close();
  await everything.close();
});

const text = (answer: unknown) => JSON.stringify(answer);

describe.each([
  ['v1', connectV1],
  ['v2 legacy', connectV2Legacy],
  ['v2 auto', connectV2Auto],
] as const)('%s client at /mcp/<agent> over the reference server and the demo', (name, connect) => {
  it('lists, calls, reads, gets, samples and hears progress', async () => {
    const client = await connect(`${gate.url}/mcp/desk`, agentKey);
    const { tools } = await client.listTools();
    const listed = tools.map((tool) => tool.name);
    expect(listed).toContain('demo__get_note');
    expect(listed).not.toContain('demo__place_order');
    expect(text(await client.callTool({ name: 'demo__get_note', arguments: { id: 'n-1' } }))).toContain('Welcome');
    const { resources } = await client.listResources();
    const uri = resources.find((resource) => resource.uri.startsWith('keygate://demo/'))?.uri ?? '';
    const { contents } = await client.readResource({ uri });
    expect(contents[0]?.uri).toBe(uri);
    const { prompts } = await client.listPrompts();
    expect(prompts.map((prompt) => prompt.name)).toContain('demo__summarise_note');
    expect(text(await client.getPrompt({ name: 'demo__summarise_note', arguments: { id: 'n-1' } }))).toContain('live in memory');
    // An auto client speaks 2026-07-28 with whoever discovers it, and only the demo server does.
    if (name === 'v2 auto') return client.close();
    expect(listed).toContain('everything__echo');
    expect(text(await client.callTool({ name: 'everything__echo', arguments: { message: 'hi' } }))).toContain('Echo: hi');
    expect(
      text(await client.callTool({ name: 'everything__trigger-sampling-request', arguments: { prompt: 'x', maxTokens: 5 } })),
    ).toContain('a sampled answer');
    const seen: number[] = [];
    const options = { onprogress: ({ progress }: { progress: number }) => void seen.push(progress) };
    const call = { name: 'everything__trigger-long-running-operation', arguments: { duration: 0.2, steps: 4 } };
    await (client.callTool as (...given: unknown[]) => Promise<unknown>).call(
      client,
      call,
      ...(name === 'v1' ? [undefined, options] : [options]),
    );
    expect(seen).toEqual([1, 2, 3, 4]);
    const links = await client.callTool({ name: 'everything__get-resource-links', arguments: { count: 2 } });
    const linked = (links.content as { type: string; uri?: string }[]).flatMap((block) =>
      block.type === 'resource_link' ? [block.uri ?? ''] : [],
    );
    expect(linked).toHaveLength(2);
    for (const each of linked) expect((await client.readResource({ uri: each })).contents).toHaveLength(1);
    await client.close();
  });
});

it('a subscription at an aggregate is told of under the URI that is read here', async () => {
  const client = await connectV1(`${gate.url}/mcp/desk`, agentKey);
  const updates: string[] = [];
  client.fallbackNotificationHandler = async ({ method, params }) => {
    if (method === 'notifications/resources/updated') updates.push(String(params?.uri));
  };
  const { resources } = await client.listResources();
  const uri = resources.find((resource) => resource.uri.startsWith('keygate://everything/'))?.uri ?? '';
  await client.subscribeResource({ uri });
  await client.callTool({ name: 'everything__toggle-subscriber-updates', arguments: {} });
  await vi.waitFor(() => expect(updates).toContain(uri), { timeout: 15_000 });
  await client.callTool({ name: 'everything__toggle-subscriber-updates', arguments: {} });
  await client.close();
});

it('a client of 2026-07-28 at /mcp: servers of sessions are bridged, and who is down is left out, visibly', async () => {
  const client = await connectV2Modern(`${gate.url}/mcp`, key);
  const listed = await client.listTools();
  const names = listed.tools.map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(['demo__get_note', 'demo__list_notes', 'demo__slow_count', 'everything__echo']));
  expect(listed._meta?.['keygate/partial']).toMatchObject([{ upstream: 'down', reason: 'UPSTREAM_FAILED' }]);
  expect(text(await client.callTool({ name: 'everything__echo', arguments: { message: 'over the bridge' } }))).toContain('over the bridge');
  expect(text(await client.callTool({ name: 'demo__get_note', arguments: { id: 'n-1' } }))).toContain('Welcome');
  await client.close();
});

it('a session client at /mcp with one upstream down works with the others, and says so', async () => {
  const client = await connectV1(`${gate.url}/mcp`, key);
  const listed = await client.listTools();
  expect(new Set(listed.tools.map(({ name }) => name.split('__')[0]))).toEqual(new Set(['demo', 'everything']));
  expect(listed._meta?.['keygate/partial']).toEqual([{ upstream: 'down', reason: 'SESSION_NOT_FOUND' }]);
  expect(client.getInstructions()).toContain('# everything (names begin with everything__)');
  await client.close();
});
