import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { patch } from '../../src/authority/patch.ts';
import { type AggregateWorld, startAggregateWorld } from '../support/aggregate-world.ts';
import { inSession } from '../support/eras.ts';
import { eventsOf, messagesOf, type OpenStream, openStream } from '../support/event-text.ts';
import { eventsThenResult, only, status } from '../support/misbehaviours.ts';
import { post, toolCall } from '../support/post.ts';

let world: AggregateWorld;
let key: string;
let session: string;
const url = () => `${world.gate.url}/mcp`;
const open: OpenStream[] = [];
const streamed = ['alpha', 'beta'];

beforeAll(async () => {
  world = await startAggregateWorld({
    alpha: { config: { resources: [{ match: 'test://public/**', scope: 'read:up' }] } },
    beta: {},
    mute: { respond: only('GET', status(405)) },
  });
  ({ key } = await world.gate.mint({ scopes: ['read:up'] }));
  session = await begin();
});
afterAll(() => world.close());
afterEach(() => {
  for (const stream of open.splice(0)) stream.leave();
  for (const name of streamed) world.upstream(name).script(undefined);
});

async function begin(as = key): Promise<string> {
  const { body } = inSession('initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'c', version: '1' } });
  return (await post(url(), { key: as, body })).headers.get('mcp-session-id') ?? '';
}

const headersOf = (more: Record<string, string> = {}, as = key) => ({
  authorization: `Bearer ${as}`,
  'mcp-protocol-version': '2025-11-25',
  'mcp-session-id': session,
  ...more,
});

async function listen(more: Record<string, string> = {}, as = key): Promise<OpenStream> {
  const stream = await openStream(url(), { headers: headersOf({ accept: 'text/event-stream', ...more }, as) });
  expect(stream.status).toBe(200);
  open.push(stream);
  return stream;
}

/** An upstream hears of a stream when its client does not know yet, so a push is made until somebody takes it. */
async function push(name: string, message: object, streams = 1): Promise<void> {
  await vi.waitFor(() => expect(world.upstream(name).push(message)).toBe(streams));
}

const changed = { jsonrpc: '2.0', method: 'notifications/tools/list_changed' };
const updated = (uri: string) => ({ jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri } });

describe('one GET stream of many', () => {
  it('carries what each member says, with URIs as they are read here and only what the key may see', async () => {
    const stream = await listen();
    await push('alpha', updated('test://secret/a'));
    await push('alpha', updated('test://public/a'));
    await push('beta', updated('test://b'));
    await push('beta', changed);
    await stream.seen(/list_changed/);
    await stream.seen(/keygate:\/\/alpha/);
    const messages = messagesOf(stream.text());
    expect(messages).toContainEqual(updated('keygate://alpha/test://public/a'));
    expect(messages).toContainEqual(updated('keygate://beta/test://b'));
    expect(messages).toContainEqual(changed);
    expect(stream.text()).not.toContain('secret');
  });

  it('a member’s stream that ends does not end the others’, and is opened again', async () => {
    const gets = () => world.upstream('beta').requests.filter(({ method }) => method === 'GET').length;
    const before = gets();
    world.upstream('beta').script(
      only('GET', (_request, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' }).end(`data: ${JSON.stringify(changed)}\nid: b1\n\n`);
      }),
    );
    const stream = await listen();
    await stream.seen(/list_changed/);
    world.upstream('beta').script(undefined);
    await push('alpha', updated('test://public/later'));
    await stream.seen(/public\/later/);
    await vi.waitFor(() => expect(gets()).toBe(before + 2), { timeout: 4_000 });
    expect(world.upstream('beta').requests.at(-1)?.headers['last-event-id']).toBe('b1');
    await push('beta', updated('test://again'));
    await stream.seen(/again/);
  });

  it('is taken up again for each member from its own event', async () => {
    for (const name of streamed) {
      world.upstream(name).script(
        only('GET', async (request, response, ordinary) => {
          if (request.headers['last-event-id'] !== undefined) return ordinary();
          response.writeHead(200, { 'content-type': 'text/event-stream' });
          response.write(`id: ${name}-7\ndata: ${JSON.stringify(changed)}\n\n`);
        }),
      );
    }
    const stream = await listen();
    await stream.seen(/list_changed[\s\S]*list_changed/);
    const last = eventsOf(stream.text()).at(-1)?.id ?? '';
    expect(
      last
        .split('~')
        .map((part) => part.split('.')[0])
        .sort(),
    ).toEqual(streamed);
    await listen({ 'last-event-id': last });
    for (const name of streamed) {
      await vi.waitFor(() =>
        expect(world.upstream(name).requests.filter((request) => request.headers['last-event-id'] === `${name}-7`)).toHaveLength(1),
      );
    }
    const foreign = await world.gate.mint({ scopes: ['read:up'] });
    session = await begin(foreign.key);
    const refused = await fetch(url(), { headers: headersOf({ accept: 'text/event-stream', 'last-event-id': last }, foreign.key) });
    expect(refused.status).toBe(404);
    await refused.text();
    session = await begin();
  });

  it('I3: is cut when the key is revoked, and told when what it sees changes', async () => {
    const minted = await world.gate.mint({ scopes: ['read:up', 'manage'] });
    session = await begin(minted.key);
    const stream = await listen({}, minted.key);
    await patch(world.gate.authority, minted.id, { scopes: ['read:up'] }, { via: 'api' });
    await stream.seen(/tools\/list_changed/, 1_000);
    await world.gate.authority.keyring.revoke(minted.id, { reason: 'test', at: Date.now(), by: { via: 'cli' } });
    const began = performance.now();
    await stream.ended;
    expect(performance.now() - began).toBeLessThan(1_000);
    session = await begin();
  });

  it('no member with a stream: 405, as one would say', async () => {
    const { key: as } = await world.gate.mint({ scopes: ['read:up'], upstreams: ['mute'] });
    session = await begin(as);
    const answer = await fetch(url(), { headers: headersOf({ accept: 'text/event-stream' }, as) });
    expect(answer.status).toBe(405);
    await answer.text();
    session = await begin();
  });
});

describe('server requests and their answers', () => {
  it('an answer goes to the member that asked, under its own id, once', async () => {
    const asks = { jsonrpc: '2.0', id: 77, method: 'roots/list' };
    const stream = await listen();
    await push('beta', asks);
    const text = await stream.seen(/roots\/list/);
    const asked = messagesOf(text).find(({ method }) => method === 'roots/list');
    expect(asked?.id).not.toBe(77);
    const body = { jsonrpc: '2.0', id: asked?.id, result: { roots: [] } };
    expect((await post(url(), { key, headers: headersOf(), body })).status).toBe(202);
    expect(world.upstream('beta').requests.at(-1)?.message).toEqual({ jsonrpc: '2.0', id: 77, result: { roots: [] } });
    expect(world.upstream('alpha').requests.filter(({ body: sent }) => sent.includes('"roots"'))).toEqual([]);
    expect((await post(url(), { key, headers: headersOf(), body })).status).toBe(400);
    expect((await post(url(), { key, headers: headersOf(), body: { ...body, id: 'x' } })).status).toBe(400);
  });

  it('a call’s own stream comes through as it is, its event ids resumable', async () => {
    const progress = { jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 1, progress: 1 } };
    world.upstream('alpha').script(only('tools/call', eventsThenResult([progress])));
    const answer = await post(url(), { key, headers: headersOf(), body: toolCall('alpha__tool_0', {}, 5) });
    expect(answer.headers.get('mcp-session-id')).toBe(session);
    expect(messagesOf(answer.text)).toMatchObject([progress, { id: 5, result: {} }]);

    world.upstream('alpha').script(
      only('tools/call', (_request, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' }).end('id: call-1\nretry: 10\ndata:\n\n');
      }),
    );
    const polled = await post(url(), { key, headers: headersOf(), body: toolCall('alpha__tool_0', {}, 6) });
    const [event] = eventsOf(polled.text);
    world.upstream('alpha').script(
      only('GET', (request, response) => {
        expect(request.headers['last-event-id']).toBe('call-1');
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.end(`data: ${JSON.stringify({ jsonrpc: '2.0', id: 6, result: { content: [] } })}\n\n`);
      }),
    );
    const resumed = await listen({ 'last-event-id': event?.id ?? '' });
    expect(messagesOf(await resumed.ended)).toEqual([{ jsonrpc: '2.0', id: 6, result: { content: [] } }]);
  });
});
