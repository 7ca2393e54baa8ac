import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type AggregateWorld, startAggregateWorld } from '../support/aggregate-world.ts';
import { inSession, stateless } from '../support/eras.ts';
import { hang, html, only, resetBeforeAnswer } from '../support/misbehaviours.ts';
import { post } from '../support/post.ts';
import { sendJson } from '../support/recording-upstream.ts';

let world: AggregateWorld;
let key: string;
let keyId: string;
const names = ['alpha', 'beta', 'gamma'];
const at = (path: string) => `${world.gate.url}${path}`;
const initialize = inSession('initialize', {
  protocolVersion: '2025-11-25',
  capabilities: {},
  clientInfo: { name: 'c', version: '1' },
}).body;

beforeAll(async () => {
  const rules = { scope: 'read:up', price: '0.01' };
  world = await startAggregateWorld(
    {
      alpha: { config: { resources: [{ match: 'test://**', scope: 'read:up' }], methods: [{ match: 'alpha/only', scope: 'read:up' }] } },
      beta: { tools: 2, config: { tools: [{ match: 'tool_0', ...rules }], resources: [{ match: 'test://**', scope: 'trade:up' }] } },
      gamma: { config: { methods: [] } },
      trial: { config: { environment: 'test' } },
    },
    {
      agents: { pair: { upstreams: ['beta', 'alpha'] }, single: { upstreams: ['alpha'] } },
      bots: { helper: { upstreams: ['alpha', 'gamma'] } },
      limits: { aggregateMemberMs: 1_500, upstreamTimeoutMs: 30_000 },
    },
  );
  ({ key, id: keyId } = await world.gate.mint({ scopes: ['read:up'] }));
  // A first request on a cold machine takes long, and says nothing about members.
  for (const name of names) await ask('tools/list', {}, { path: `/mcp/${name}` });
});
afterAll(() => world.close());
beforeEach(() => {
  for (const name of [...names, 'trial']) world.upstream(name).script(undefined);
});

async function open(path = '/mcp', as = key): Promise<{ session: string; result: Record<string, unknown> }> {
  const answer = await post(at(path), { key: as, body: initialize });
  expect(answer.status).toBe(200);
  return { session: answer.headers.get('mcp-session-id') ?? '', result: answer.json.result ?? {} };
}

const ask = (method: string, params: object = {}, more: { session?: string; path?: string; as?: string } = {}) =>
  post(at(more.path ?? '/mcp'), {
    key: more.as ?? key,
    body: { jsonrpc: '2.0', id: 'own', method, params },
    headers: {
      'mcp-protocol-version': '2025-11-25',
      ...(more.session === undefined ? {} : { 'mcp-session-id': more.session }),
    },
  });
const namesOf = (answer: Awaited<ReturnType<typeof ask>>, list: string, member = 'name') =>
  ((answer.json.result?.[list] ?? []) as Record<string, string>[]).map((item) => item[member]);
const partial = (result: Record<string, unknown> | undefined) =>
  (result?._meta as Record<string, unknown> | undefined)?.['keygate/partial'];
const toolsOfAll = ['alpha__tool_0', 'alpha__tool_1', 'alpha__tool_2', 'beta__tool_0', 'gamma__tool_0', 'gamma__tool_1', 'gamma__tool_2'];

describe('A27: lists over several upstreams', () => {
  it('equal names stand apart by their prefix, in configuration order, only what the key may call', async () => {
    const { session } = await open();
    const tools = await ask('tools/list', {}, { session });
    expect(namesOf(tools, 'tools')).toEqual(toolsOfAll);
    expect(tools.headers.get('mcp-session-id')).toBe(session);
    expect(partial(tools.json.result)).toBeUndefined();
    expect(namesOf(await ask('prompts/list', {}, { session }), 'prompts')).toEqual(names.map((name) => `${name}__prompt_0`));
    const resources = await ask('resources/list', {}, { session });
    expect(namesOf(resources, 'resources')).toEqual(['alpha__one', 'gamma__one']);
    expect(namesOf(resources, 'resources', 'uri')).toEqual(['keygate://alpha/test://one', 'keygate://gamma/test://one']);
    const templates = await ask('resources/templates/list', {}, { session });
    expect(namesOf(templates, 'resourceTemplates', 'uriTemplate')).toEqual([
      'keygate://alpha/test://{name}',
      'keygate://gamma/test://{name}',
    ]);
    for (const uri of namesOf(resources, 'resources', 'uri')) expect(new URL(uri ?? '').protocol).toBe('keygate:');
  });

  it.each([
    [{ upstreams: ['gamma', 'alpha'] }, '/mcp', ['alpha', 'gamma']],
    [{ environment: 'test' }, '/mcp', ['trial']],
    [{ agentId: 'pair' }, '/mcp/pair', ['beta', 'alpha']],
    [{ agentId: 'pair' }, '/mcp', ['alpha', 'beta']],
    [{ kind: 'bot', botId: 'helper' }, '/mcp/helper', ['alpha', 'gamma']],
    [{ agentId: 'pair', upstreams: ['alpha'] }, '/mcp/pair', ['alpha']],
  ])('a key of %j sees at %s %j', async (request, path, members) => {
    const minted = await world.gate.mint({ scopes: ['read:up'], ...request });
    const answer = await ask('tools/list', {}, { as: minted.key, path });
    expect([...new Set(namesOf(answer, 'tools').map((name) => name?.split('__')[0]))]).toEqual(members);
  });

  it('stateless: discover and lists are merged, private and bounded', async () => {
    const modern = (method: string, params: Record<string, unknown> = {}) => post(at('/mcp'), { key, ...stateless(method, params, 'own') });
    const discovered = await modern('server/discover');
    expect(discovered.json.result).toMatchObject({
      resultType: 'complete',
      supportedVersions: ['2026-07-28'],
      capabilities: { tools: {}, resources: {}, prompts: {} },
      cacheScope: 'private',
    });
    const tools = await modern('tools/list');
    expect(namesOf(tools, 'tools')).toEqual(toolsOfAll);
    expect(tools.json.result).toMatchObject({ resultType: 'complete', ttlMs: 60_000, cacheScope: 'private' });
    expect(tools.headers.get('cache-control')).toBe('no-store, private');
    expect(JSON.stringify((await modern('tools/call', { name: 'gamma__tool_1', arguments: {} })).json.result)).toContain('tool_1');
    expect((await modern('resources/read', { uri: 'keygate://alpha/test://one' })).json.result).toMatchObject({
      contents: [{ uri: 'keygate://alpha/test://one', text: 'text of test://one' }],
      cacheScope: 'private',
    });
  });

  it('one cursor goes through the pages of all, and is no other key’s nor another list’s', async () => {
    const pages: Record<string, number> = { alpha: 3, gamma: 2 };
    for (const [name, last] of Object.entries(pages)) {
      world.upstream(name).script(
        only('tools/list', (request, response) => {
          const { id, params } = request.message as { id: unknown; params?: { cursor?: string } };
          const page = Number(params?.cursor?.split('-')[1] ?? 1);
          const more = page < last ? { nextCursor: `${name}-${page + 1}` } : {};
          sendJson(response, { jsonrpc: '2.0', id, result: { tools: [{ name: `p${page}` }], ...more } });
        }),
      );
    }
    const minted = await world.gate.mint({ scopes: ['read:up'], upstreams: ['alpha', 'gamma'] });
    const as = minted.key;
    const seen: (string | undefined)[] = [];
    const cursors: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await ask('tools/list', cursor === undefined ? {} : { cursor }, { as });
      seen.push(...namesOf(page, 'tools'));
      cursor = page.json.result?.nextCursor as string | undefined;
      if (cursor !== undefined) cursors.push(cursor);
    } while (cursor !== undefined);
    expect(seen).toEqual(['alpha__p1', 'gamma__p1', 'alpha__p2', 'gamma__p2', 'alpha__p3']);
    expect(cursors).toHaveLength(2);
    const refused = { status: 400, json: { error: { data: { reason: 'INVALID_MESSAGE' } } } };
    expect(await ask('tools/list', { cursor: cursors[0] })).toMatchObject(refused);
    expect(await ask('prompts/list', { cursor: cursors[0] }, { as })).toMatchObject(refused);
    expect(await ask('tools/list', { cursor: 'alpha-2' }, { as })).toMatchObject(refused);
  });
});

describe('what is for one member', () => {
  it('calls, prompts, reads and completions reach the one they name, in its own names, each charged once', async () => {
    const { session } = await open();
    const before = names.map((name) => world.upstream(name).requests.length);
    const called = await ask('tools/call', { name: 'beta__tool_0', arguments: { n: 1 } }, { session });
    expect(JSON.stringify(called.json.result)).toContain('{\\"name\\":\\"tool_0\\"');
    expect(called.headers.get('mcp-session-id')).not.toMatch(/^[0-9a-f-]{36}$/);
    expect((await ask('prompts/get', { name: 'gamma__prompt_0' }, { session })).json.result).toMatchObject({
      messages: [{ content: { text: 'prompt_0' } }],
    });
    expect((await ask('resources/read', { uri: 'keygate://gamma/test://one' }, { session })).json.result).toMatchObject({
      contents: [{ uri: 'keygate://gamma/test://one', text: 'text of test://one' }],
    });
    expect((await ask('resources/read', { uri: 'gamma__test://one' }, { session })).json.result).toMatchObject({
      contents: [{ text: 'text of test://one' }],
    });
    await ask('completion/complete', { ref: { type: 'ref/resource', uri: 'keygate://alpha/test://{name}' }, argument: {} }, { session });
    const reached = names.map((name, n) =>
      world
        .upstream(name)
        .requests.slice(before[n])
        .map(({ message }) => message),
    );
    expect(reached.map((messages) => messages.length)).toEqual([1, 1, 3]);
    expect(reached[0]).toMatchObject([{ method: 'completion/complete', params: { ref: { uri: 'test://{name}' } } }]);
    expect(reached[1]).toMatchObject([{ method: 'tools/call', params: { name: 'tool_0' } }]);
    const intents = (await world.gate.journal('call.intent')).length;
    const outcomes = await world.gate.journalled('call.outcome', intents);
    const mine = outcomes.filter((record) => record.keyId === keyId && record.upstream === 'beta' && record.tool !== undefined);
    expect(mine).toMatchObject([{ upstream: 'beta', tool: 'tool_0', charged: '0.01', rule: 'beta.tools[0]' }]);
  });

  it('a plain URI is read where exactly one member’s rules admit it, and refused with both ways otherwise', async () => {
    const { key: as } = await world.gate.mint({ scopes: ['read:up'], agentId: 'pair' });
    // At this agent's path beta has a rule for it too, but of a scope that the key lacks.
    const answer = await ask('resources/read', { uri: 'test://one' }, { as, path: '/mcp/pair' });
    expect(answer.json.result).toMatchObject({ contents: [{ uri: 'keygate://alpha/test://one' }] });
    const refused = await ask('resources/read', { uri: 'test://one' });
    expect(refused.status).toBe(403);
    expect(refused.json.error?.message).toContain('use keygate://alpha/<uri> or keygate://gamma/<uri>');
    expect((await ask('resources/read', { uri: 'other://one' }, { as, path: '/mcp/pair' })).status).toBe(403);
  });

  it.each([
    ['tools/call', { name: 'tool_0' }, 403, 'TOOL_NOT_ALLOWED'],
    ['tools/call', { name: 'delta__tool_0' }, 403, 'TOOL_NOT_ALLOWED'],
    ['tools/call', { name: 'beta__tool_1' }, 403, 'TOOL_NOT_ALLOWED'],
    ['tools/call', { name: 'beta__' }, 403, 'TOOL_NOT_ALLOWED'],
    ['tools/call', { name: 'trial__tool_0' }, 403, 'TOOL_NOT_ALLOWED'],
    ['resources/read', { uri: 'keygate://beta/test://one' }, 403, 'INSUFFICIENT_SCOPE'],
    ['resources/read', { uri: 'keygate://trial/test://one' }, 403, 'TOOL_NOT_ALLOWED'],
    ['no/such', {}, 404, 'UNKNOWN_METHOD'],
  ])('%s %j is refused: nothing is sent, one record', async (method, params, status, reason) => {
    const sent = () => [...names, 'trial'].map((name) => world.upstream(name).requests.length);
    const before = { sent: sent(), records: (await world.gate.journal('call.refused')).length };
    const answer = await ask(method, params);
    expect(answer).toMatchObject({ status, json: { id: 'own', error: { data: { reason } } } });
    expect(sent()).toEqual(before.sent);
    const records = (await world.gate.journal('call.refused')).slice(before.records);
    expect(records.map((record) => record.reason)).toEqual([reason]);
  });

  it('a method that one member’s rules name goes to that one', async () => {
    await ask('alpha/only');
    expect(world.upstream('alpha').calls('alpha/only')).toHaveLength(1);
    expect(world.upstream('gamma').calls('alpha/only')).toHaveLength(0);
  });

  it('rate counts a request once, however many members it goes to', async () => {
    const { key: as } = await world.gate.mint({ scopes: ['read:up'], rate: { calls: 2, perSeconds: 60 } });
    expect((await ask('tools/list', {}, { as })).headers.get('ratelimit')).toContain('r=1');
    expect((await ask('tools/call', { name: 'alpha__tool_0' }, { as })).status).toBe(200);
    expect((await ask('tools/list', {}, { as })).status).toBe(429);
  });
});

describe('dry runs', () => {
  it.each([
    ['tools/call', 'beta__tool_0', undefined],
    ['tools/call', 'beta__tool_1', 'TOOL_NOT_ALLOWED'],
    ['tools/call', 'tool_0', 'TOOL_NOT_ALLOWED'],
    ['tools/call', 'gamma__tool_0', 'TOOL_NOT_ALLOWED'],
    ['prompts/get', 'alpha__prompt_0', undefined],
    ['resources/read', 'keygate://alpha/test://one', undefined],
    ['resources/read', 'keygate://beta/test://one', 'INSUFFICIENT_SCOPE'],
    ['resources/read', 'test://one', undefined],
    ['resources/read', 'keygate://gamma/test://one', 'TOOL_NOT_ALLOWED'],
  ])('explain says of %s %s what then happens', async (method, tool, reason) => {
    const minted = await world.gate.mint({ scopes: ['read:up'], agentId: 'pair' });
    const { dryRuns } = world.gate.gateway.composed;
    const explained = await dryRuns.explain({ keyId: minted.id, upstream: 'pair', method, tool });
    expect({ decision: explained.decision, reason: explained.reason }).toEqual({ decision: reason ? 'refused' : 'allowed', reason });
    const params = method === 'resources/read' ? { uri: tool } : { name: tool };
    const answer = await ask(method, params, { as: minted.key, path: '/mcp/pair' });
    expect({ answer: answer.text, reason: answer.json.error?.data.reason }).toMatchObject({ reason });
    if (method !== 'tools/call') return;
    const verified = await dryRuns.verifyKey({ key: minted.key, upstream: 'pair', tool });
    expect(verified).toMatchObject({ valid: reason === undefined });
    expect(await dryRuns.verifyKey({ key: minted.key, upstream: 'pair' })).toMatchObject({ valid: true });
  });
});

describe('what fails', () => {
  const broken = { dead: resetBeforeAnswer, slow: hang, garbage: html };
  const reasons = { dead: 'UPSTREAM_FAILED', slow: 'UPSTREAM_TIMEOUT', garbage: 'UPSTREAM_FAILED' };

  it.each(Object.entries(broken))('a %s member is left out of the session, visibly, and holds nobody', async (kind, script) => {
    const reason = reasons[kind as keyof typeof reasons];
    world.upstream('beta').script(script);
    const began = performance.now();
    const { session, result } = await open();
    expect(performance.now() - began).toBeLessThan(15_000);
    expect(partial(result)).toEqual([{ upstream: 'beta', reason }]);
    const tools = await ask('tools/list', {}, { session });
    expect(namesOf(tools, 'tools')).toEqual(toolsOfAll.filter((name) => !name.startsWith('beta')));
    expect(partial(tools.json.result)).toEqual([{ upstream: 'beta', reason: 'SESSION_NOT_FOUND' }]);
    expect(await ask('tools/call', { name: 'beta__tool_0' }, { session })).toMatchObject({
      status: 404,
      json: { error: { data: { reason: 'SESSION_NOT_FOUND' } } },
    });
    expect((await ask('tools/call', { name: 'gamma__tool_0' }, { session })).status).toBe(200);
  });

  it.each(Object.entries(broken))('a member that turns %s is missing from lists, which say so', async (kind, script) => {
    const reason = reasons[kind as keyof typeof reasons];
    const { session } = await open();
    world.upstream('alpha').script(script);
    const tools = await ask('tools/list', {}, { session });
    expect(namesOf(tools, 'tools')).toEqual(toolsOfAll.filter((name) => !name.startsWith('alpha')));
    expect(partial(tools.json.result)).toEqual([{ upstream: 'alpha', reason }]);
    const listed = await post(at('/mcp'), { key, ...stateless('tools/list', {}, 1) });
    expect(listed.json.result).toMatchObject({ ttlMs: 0, _meta: { 'keygate/partial': [{ upstream: 'alpha', reason }] } });
  });

  it('all down: the refusal that one of them would give at its own path', async () => {
    for (const name of names) world.upstream(name).script(resetBeforeAnswer);
    for (const [method, params] of [
      ['tools/list', {}],
      ['initialize', initialize.params],
    ] as const) {
      const answer = await ask(method, params as object);
      expect(answer).toMatchObject({ status: 502, json: { id: 'own', error: { data: { reason: 'UPSTREAM_FAILED' } } } });
    }
  });

  it('a method that a member has not is nothing amiss', async () => {
    world.upstream('beta').script(
      only('prompts/list', (request, response) => {
        const { id } = request.message as { id: unknown };
        sendJson(response, { jsonrpc: '2.0', id, error: { code: -32601, message: 'Method not found' } });
      }),
    );
    const answer = await ask('prompts/list');
    expect(namesOf(answer, 'prompts')).toEqual(['alpha__prompt_0', 'gamma__prompt_0']);
    expect(partial(answer.json.result)).toBeUndefined();
  });

  it('a member that lost its session makes the client begin anew: 404', async () => {
    const { session } = await open();
    world
      .upstream('gamma')
      .script(
        (_request, response) =>
          void sendJson(response, { jsonrpc: '2.0', id: null, error: { code: -32001, message: 'Session not found' } }, 404),
      );
    for (const [method, params] of [
      ['tools/list', {}],
      ['tools/call', { name: 'gamma__tool_0' }],
    ] as const) {
      expect(await ask(method, params, { session })).toMatchObject({
        status: 404,
        json: { error: { data: { reason: 'SESSION_NOT_FOUND' } } },
      });
    }
    expect((await ask('tools/call', { name: 'alpha__tool_0' }, { session })).status).toBe(200);
  });
});

describe('initialize', () => {
  it('answers with the oldest version among them, all they can, and their instructions; each keeps its own version', async () => {
    const says = (version: string, capabilities: object, instructions?: string) =>
      only('initialize', (request, response) => {
        const { id } = request.message as { id: unknown };
        const result = {
          protocolVersion: version,
          capabilities,
          serverInfo: { name: 's', version: '1' },
          ...(instructions && { instructions }),
        };
        sendJson(response, { jsonrpc: '2.0', id, result });
      });
    world
      .upstream('alpha')
      .script(says('2025-06-18', { tools: { listChanged: true }, logging: {}, experimental: {}, constructor: {} }, 'Ask me.'));
    world.upstream('beta').script(says('2025-03-26', { tools: {}, resources: { subscribe: true } }));
    world.upstream('gamma').script(says('2025-11-25', { resources: { subscribe: false, listChanged: true }, __proto__: { x: {} } }));
    const { session, result } = await open();
    expect(result).toEqual({
      protocolVersion: '2025-03-26',
      capabilities: { tools: { listChanged: true }, logging: {}, resources: { subscribe: true, listChanged: true } },
      serverInfo: { name: 'keygate', version: '1' },
      instructions: '# alpha (names begin with alpha__)\n\nAsk me.',
    });
    await ask('tools/list', {}, { session });
    expect(names.map((name) => world.upstream(name).requests.at(-1)?.headers['mcp-protocol-version'])).toEqual([
      '2025-06-18',
      '2025-03-26',
      '2025-11-25',
    ]);
  });

  it('A29: a session is its own key’s and its own path’s', async () => {
    const other = await world.gate.mint({ scopes: ['read:up'] });
    const agent = await world.gate.mint({ scopes: ['read:up'], agentId: 'pair' });
    const { session } = await open();
    const own = await open('/mcp/pair', agent.key);
    const records = (await world.gate.journal('call.refused')).length;
    const alpha = session.split('~')[0]?.split('.')[2] ?? '';
    const tries = [
      { session, as: other.key },
      { session: own.session },
      { session, as: agent.key, path: '/mcp/pair' },
      { session: own.session, as: agent.key },
      { session: alpha },
      { session, path: '/mcp/alpha' },
      { session: alpha, path: '/mcp/alpha' },
      { session: `beta.2025-11-25.${alpha}` },
      { session: `${session}~` },
      { session: `alpha..~alpha..` },
      { session: 'nothing..' },
    ];
    for (const [n, each] of tries.entries()) {
      const answer = await ask('tools/list', {}, each);
      expect({ n, status: answer.status, reason: answer.json.error?.data.reason }).toEqual({ n, status: 404, reason: 'SESSION_NOT_FOUND' });
    }
    expect((await world.gate.journal('call.refused')).length).toBe(records + tries.length);
    expect((await ask('tools/list', {}, { session })).status).toBe(200);
  });

  it('I9: nothing of a session is kept in the process but in its id', async () => {
    const { session } = await open();
    expect(session.split('~').map((part) => part.split('.').slice(0, 2))).toEqual(names.map((name) => [name, '2025-11-25']));
  });
});

describe('what is for all members', () => {
  it('notifications reach every session; ping is answered here; the end ends all', async () => {
    const { session } = await open();
    const headers = { 'mcp-session-id': session, 'mcp-protocol-version': '2025-11-25' };
    const note = await post(at('/mcp'), { key, headers, body: { jsonrpc: '2.0', method: 'notifications/initialized' } });
    expect(note).toMatchObject({ status: 202, text: '' });
    for (const name of names)
      expect(world.upstream(name).requests.at(-1)?.message).toEqual({ jsonrpc: '2.0', method: 'notifications/initialized' });
    const before = names.map((name) => world.upstream(name).requests.length);
    expect((await ask('ping', {}, { session })).json).toEqual({ jsonrpc: '2.0', id: 'own', result: {} });
    expect(names.map((name) => world.upstream(name).requests.length)).toEqual(before);
    const unknown = await post(at('/mcp'), { key, headers, body: { jsonrpc: '2.0', method: 'notifications/none' } });
    expect(unknown.status).toBe(404);
    const ended = await fetch(at('/mcp'), { method: 'DELETE', headers: { ...headers, authorization: `Bearer ${key}` } });
    expect(ended.status).toBe(200);
    for (const name of names) expect(world.upstream(name).requests.at(-1)?.method).toBe('DELETE');
    expect((await ask('tools/list', {}, { session })).status).toBe(404);
  });

  it('I3: a revoked key is told so, and nothing is sent', async () => {
    const gone = await world.gate.mint({ scopes: ['read:up'] });
    const { session } = await open('/mcp', gone.key);
    await world.gate.authority.keyring.revoke(gone.id, { reason: 'test', at: Date.now(), by: { via: 'cli' } });
    const before = names.map((name) => world.upstream(name).requests.length);
    for (const method of ['tools/list', 'ping', 'logging/setLevel']) {
      expect(await ask(method, {}, { session, as: gone.key })).toMatchObject({
        status: 401,
        json: { error: { data: { reason: 'TOKEN_REVOKED' } } },
      });
    }
    expect(names.map((name) => world.upstream(name).requests.length)).toEqual(before);
  });

  it('resource metadata of the path names the scopes of all', async () => {
    const of = async (path: string) => (await fetch(at(`/.well-known/oauth-protected-resource${path}`))).json() as Promise<object>;
    expect(await of('/mcp')).toMatchObject({ resource: at('/mcp'), scopes_supported: ['read:up', 'trade:up'] });
    expect(await of('/mcp/pair')).toMatchObject({ resource: at('/mcp/pair') });
    const refused = await fetch(at('/mcp'), { method: 'POST', body: '{}', headers: { 'content-type': 'application/json', accept: '*/*' } });
    expect(refused.status).toBe(401);
    expect(refused.headers.get('www-authenticate')).toContain(`${at('/.well-known/oauth-protected-resource/mcp')}"`);
  });
});
