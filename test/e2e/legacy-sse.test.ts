import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type AggregateWorld, startAggregateWorld } from '../support/aggregate-world.ts';
import { inSession } from '../support/eras.ts';
import { eventsOf, messagesOf, type OpenStream, openStream } from '../support/event-text.ts';
import { type EverythingServer, startEverythingServer } from '../support/everything-server.ts';
import { startTestGateway, type TestGateway, upstreamConfig } from '../support/gateway.ts';
import { connectLegacy } from '../support/legacy-client.ts';
import { hang, only } from '../support/misbehaviours.ts';
import { post, toolCall } from '../support/post.ts';

describe('the v1 SDK’s SSE client and the reference server', () => {
  let everything: EverythingServer;
  let gate: TestGateway;
  let key: string;

  beforeAll(async () => {
    everything = await startEverythingServer();
    const tools = [
      { match: 'get-env', scope: 'manage:up' },
      { match: '*', scope: 'read:up', price: '0.01' },
    ];
    gate = await startTestGateway({
      upstreams: { everything: upstreamConfig(everything.url, { tools }), other: upstreamConfig(everything.url, { tools }) },
      agents: { desk: { upstreams: ['everything', 'other'] } },
    });
    ({ key } = await gate.mint({ scopes: ['read:up'], agentId: 'desk' }));
  });
  afterAll(async () => {
    await gate.close();
    await everything.close();
  });

  it.each([
    ['/sse/everything', ''],
    ['/sse/desk', 'everything__'],
    ['/sse', 'everything__'],
  ])('%s: lists, calls, reads, is sampled, hears progress, is refused', async (path, prefix) => {
    const client = await connectLegacy(`${gate.url}${path}`, key);
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toContain(`${prefix}echo`);
    expect(tools.map(({ name }) => name)).not.toContain(`${prefix}get-env`);
    const call = (name: string, args: Record<string, unknown>) => client.callTool({ name: `${prefix}${name}`, arguments: args });
    expect(JSON.stringify(await call('echo', { message: 'hi' }))).toContain('Echo: hi');
    expect(JSON.stringify(await call('trigger-sampling-request', { prompt: 'x', maxTokens: 5 }))).toContain('a sampled answer');
    const seen: number[] = [];
    await client.callTool({ name: `${prefix}trigger-long-running-operation`, arguments: { duration: 0.2, steps: 4 } }, undefined, {
      onprogress: ({ progress }) => void seen.push(progress),
    });
    // The client loses the last one, since it hears the result behind it first; so it does without a gateway.
    expect(seen.slice(0, 3)).toEqual([1, 2, 3]);
    const { resources } = await client.listResources();
    expect((await client.readResource({ uri: resources[0]?.uri ?? '' })).contents).toHaveLength(1);
    await expect(call('get-env', {})).rejects.toThrow(/lacks a scope/);
    const ends = () => everything.requests.filter(({ method }) => method === 'DELETE').length;
    const before = ends();
    await client.close();
    await vi.waitFor(() => expect(ends()).toBe(before + (path === '/sse/everything' ? 1 : 2)));
  });
});

describe('the transport', () => {
  let world: AggregateWorld;
  let key: string;
  const open: OpenStream[] = [];

  beforeAll(async () => {
    world = await startAggregateWorld(
      { up: {}, other: {} },
      { limits: { streamsPerKeyMax: 4, heartbeatMs: 200 }, agents: { desk: { upstreams: ['up'] } } },
    );
    ({ key } = await world.gate.mint({ scopes: ['read:up'], budgets: [{ amount: '0.02', per: 'total' }] }));
  });
  afterAll(() => world.close());
  afterEach(async () => {
    for (const stream of open.splice(0)) stream.leave();
    world.upstream('up').script(undefined);
    await vi.waitFor(() => expect(world.gate.gateway.composed.live.size).toBe(0));
  });

  async function listen(as = key, path = '/sse/up'): Promise<{ stream: OpenStream; to: string }> {
    const stream = await openStream(`${world.gate.url}${path}`, {
      headers: { accept: 'text/event-stream', authorization: `Bearer ${as}` },
    });
    open.push(stream);
    expect(stream.status).toBe(200);
    const [event] = eventsOf(await stream.seen(/messages/));
    expect(event?.event).toBe('endpoint');
    expect(event?.data).toMatch(new RegExp(`^${path}/messages/[A-Za-z0-9_-]{40,}$`));
    return { stream, to: `${world.gate.url}${event?.data}` };
  }

  async function begin(as = key) {
    const opened = await listen(as);
    const { body } = inSession(
      'initialize',
      { protocolVersion: '2024-11-05', capabilities: {}, clientInfo: { name: 'c', version: '1' } },
      'i',
    );
    expect(await post(opened.to, { key: as, body, headers: { accept: 'application/json' } })).toMatchObject({ status: 202, text: '' });
    await opened.stream.seen(/"id":"i"/);
    const before = gets();
    await post(opened.to, { key: as, body: { jsonrpc: '2.0', method: 'notifications/initialized' } });
    await vi.waitFor(() => expect(gets()).toBe(before + 1));
    return opened;
  }

  const gets = () => world.upstream('up').requests.filter(({ method }) => method === 'GET').length;

  it('every answer goes out on the stream, refusals with their own id; nothing for notifications', async () => {
    const { stream, to } = await begin();
    for (const id of [1, 2, 3]) {
      expect((await post(to, { key, body: toolCall('tool_0', {}, id) })).status).toBe(202);
      await stream.seen(new RegExp(`"id":${id},`));
    }
    const unknown = await post(to, { key, body: { jsonrpc: '2.0', method: 'notifications/none' } });
    expect(unknown).toMatchObject({ status: 404, json: { error: { data: { reason: 'UNKNOWN_METHOD' } } } });
    await post(to, { key, body: { jsonrpc: '2.0', id: 4, method: 'ping' } });
    await stream.seen(/"id":4/);
    const messages = messagesOf(stream.text().replace(/^event: endpoint\ndata: .*\n\n/, ''));
    expect(messages.map(({ id, error }) => [id, (error as { data: { reason: string } } | undefined)?.data.reason])).toEqual([
      ['i', undefined],
      [1, undefined],
      [2, undefined],
      [3, 'BUDGET_EXHAUSTED'],
      [4, undefined],
    ]);
    await stream.seen(/: keepalive/);
    expect(eventsOf(stream.text()).every(({ id }) => id === undefined)).toBe(true);
  });

  it('what the upstream says unasked comes through, and a server request is answered', async () => {
    const { stream, to } = await begin();
    await vi.waitFor(() => expect(world.upstream('up').push({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' })).toBe(1));
    world.upstream('up').push({ jsonrpc: '2.0', id: 5, method: 'roots/list' });
    const asked = messagesOf((await stream.seen(/roots\/list/)).replace(/^event: endpoint\ndata: .*\n\n/, '')).find(
      ({ method }) => method === 'roots/list',
    );
    await post(to, { key, body: { jsonrpc: '2.0', id: asked?.id, result: { roots: [] } } });
    await vi.waitFor(() => expect(world.upstream('up').requests.at(-1)?.message).toEqual({ jsonrpc: '2.0', id: 5, result: { roots: [] } }));
    expect(stream.text()).toContain('tools/list_changed');
  });

  it('the client leaves: its calls are broken off, the upstream’s stream and session ended, all settled', async () => {
    const { stream, to } = await begin();
    await vi.waitFor(() => expect(world.gate.gateway.composed.live.size).toBe(2));
    const session = world.upstream('up').requests.at(-1)?.headers['mcp-session-id'];
    expect(session).toMatch(/^[0-9a-f-]{36}$/);
    world.upstream('up').script(only('tools/call', hang));
    await post(to, { key, body: { jsonrpc: '2.0', id: 9, method: 'tools/call', params: { name: 'none' } } });
    stream.leave();
    await vi.waitFor(() =>
      expect(world.upstream('up').requests.at(-1)).toMatchObject({ method: 'DELETE', headers: { 'mcp-session-id': session } }),
    );
    expect((await post(to, { key, body: toolCall('tool_0') })).json.error?.data.reason).toBe('SESSION_NOT_FOUND');
    const intents = (await world.gate.journal('call.intent')).length;
    expect((await world.gate.journalled('call.outcome', intents)).length).toBe(intents);
  });

  it('A29: the POST path is its key’s own, of its own path, and of this process', async () => {
    const other = await world.gate.mint({ scopes: ['read:up'] });
    const agent = await world.gate.mint({ scopes: ['read:up'], agentId: 'desk' });
    const { to } = await begin();
    const sent = world.upstream('up').requests.length;
    for (const [as, where] of [
      [other.key, to],
      [agent.key, to],
      [key, to.replace('/sse/up/', '/sse/other/')],
      [key, to.replace('/sse/up/', '/sse/')],
      [key, `${to}A`],
      [key, to.replace(/messages\/.*/, 'messages/AAAA')],
    ] as const) {
      const answer = await post(where, { key: as, body: toolCall('tool_0', {}, 'own') });
      expect(answer).toMatchObject({ status: 404, json: { id: 'own', error: { data: { reason: 'SESSION_NOT_FOUND' } } } });
      expect(answer.json.error?.message).toContain('Open it again.');
    }
    expect((await post(to, { body: toolCall('tool_0', {}, 'own') })).status).toBe(401);
    expect(world.upstream('up').requests.length).toBe(sent);
    expect(to).not.toContain(key.split('_')[3]);
  });

  it('I3: the stream is cut when its key is revoked, and admitted before it opens', async () => {
    const minted = await world.gate.mint({ scopes: ['read:up'] });
    const { stream, to } = await begin(minted.key);
    const mine = (await world.gate.journal('call.intent')).filter(({ keyId }) => keyId === minted.id);
    expect(mine.map(({ method }) => method)).toContain('stream/open');
    await world.gate.authority.keyring.revoke(minted.id, { reason: 'test', at: Date.now(), by: { via: 'cli' } });
    const began = performance.now();
    await stream.ended;
    expect(performance.now() - began).toBeLessThan(1_000);
    expect((await post(to, { key: minted.key, body: toolCall('tool_0') })).status).toBe(401);
  });

  it('A54: streams of one key are limited', async () => {
    const { key: as } = await world.gate.mint({ scopes: ['read:up'] });
    for (let n = 0; n < 4; n += 1) await listen(as);
    const refused = await fetch(`${world.gate.url}/sse/up`, { headers: { accept: 'text/event-stream', authorization: `Bearer ${as}` } });
    expect(refused.status).toBe(503);
    expect(await refused.json()).toMatchObject({ error: { data: { reason: 'OVERLOADED' } } });
  });

  it('what is no message, a batch or of another era is refused where it is sent', async () => {
    const { to } = await begin();
    const reasonOf = async (body: unknown, headers: Record<string, string> = {}) => {
      const { status, json } = await post(to, { key, body, headers });
      return `${status} ${json.error?.data.reason}`;
    };
    expect(await reasonOf('{')).toBe('400 PARSE_ERROR');
    expect(await reasonOf([toolCall('tool_0')])).toBe('400 INVALID_MESSAGE');
    expect(await reasonOf(toolCall('tool_0'), { 'mcp-protocol-version': '2026-07-28' })).toBe('400 UNSUPPORTED_VERSION');
    expect(await reasonOf(toolCall('tool_0'), { 'content-type': 'text/plain' })).toBe('415 UNSUPPORTED_MEDIA_TYPE');
  });

  it.each([
    ['POST', '/sse/up', 405],
    ['GET', '/sse/none', 404],
    ['GET', '/sse/', 404],
    ['GET', '/sse/up/messages/AAAA', 404],
    ['POST', '/sse/up/messages/', 404],
    ['GET', '/ssex', 404],
  ])('%s %s: %i, and no stream opens', async (method, path, status) => {
    const headers = { accept: 'application/json, text/event-stream', authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    const before = gets();
    const { 'content-type': type, ...rest } = headers;
    const answer = await fetch(`${world.gate.url}${path}`, {
      method,
      headers: method === 'POST' ? { ...rest, 'content-type': type } : rest,
      ...(method === 'POST' ? { body: JSON.stringify(toolCall('tool_0')) } : {}),
    });
    expect(answer.status).toBe(status);
    await answer.text();
    expect(gets()).toBe(before);
  });
});
