import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startDemoServer } from '../../examples/demo-server/server.ts';
import { connectV1, connectV2Legacy, connectV2Modern } from '../support/clients.ts';
import { startTestGateway, type TestGateway, upstreamConfig } from '../support/gateway.ts';
import { post, toolCall } from '../support/post.ts';
import { type RecordingUpstream, startRecordingUpstream } from '../support/recording-upstream.ts';

let demo: Awaited<ReturnType<typeof startDemoServer>>;
let recording: RecordingUpstream;
let trial: RecordingUpstream;
let gate: TestGateway;

beforeAll(async () => {
  demo = await startDemoServer({ port: 0, token: 'upstream-secret' });
  recording = await startRecordingUpstream();
  trial = await startRecordingUpstream({ sessions: false });
  const rules = { scope: 'read:notes', price: '0.01' };
  gate = await startTestGateway({
    upstreams: {
      notes: upstreamConfig(`http://127.0.0.1:${demo.port}/mcp`, {
        tools: [{ match: ['list_notes', 'get_note'], ...rules }],
        prompts: [{ match: '*', scope: 'read:notes' }],
        resources: [{ match: '**', scope: 'read:notes' }],
      }),
      up: upstreamConfig(recording.url),
      trial: upstreamConfig(trial.url, { environment: 'test' }),
    },
    agents: {
      'clerk-7f3a': { upstreams: ['notes'], org: 'acme' },
      relay: { upstreams: ['up'] },
      relay2: { upstreams: ['up'] },
      tester: { upstreams: ['trial'] },
    },
    bots: { 'ops-1a': { upstreams: ['up'] } },
  });
});

afterAll(async () => {
  await gate.close();
  await trial.close();
  await recording.close();
  await demo.close();
});

/** A key for the upstream `up`, live unless said otherwise. */
async function mint(request: Record<string, unknown> = {}): Promise<string> {
  return (await gate.mint({ scopes: ['read:up'], ...request })).key;
}

describe.each([
  ['v1', connectV1],
  ['v2 legacy', connectV2Legacy],
  ['v2 modern', connectV2Modern],
] as const)('%s client at an agent’s path', (_name, connect) => {
  it('lists prefixed names, calls by them, and gets prompts by them', async () => {
    const { key, id } = await gate.mint({ scopes: ['read:notes'], agentId: 'clerk-7f3a', orgId: 'acme' });
    const client = await connect(`${gate.url}/mcp/clerk-7f3a`, key);
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name).sort()).toEqual(['notes__get_note', 'notes__list_notes']);
    expect(JSON.stringify(await client.callTool({ name: 'notes__get_note', arguments: { id: 'n-1' } }))).toContain('Welcome');
    const { prompts } = await client.listPrompts();
    expect(prompts.map(({ name }) => name)).toEqual(['notes__summarise_note']);
    expect(JSON.stringify(await client.getPrompt({ name: 'notes__summarise_note', arguments: { id: 'n-1' } }))).toContain('live in memory');
    const { resources } = await client.listResources();
    const [first] = resources;
    expect(first?.uri).toMatch(/^notes:\/\//);
    expect((await client.readResource({ uri: first?.uri ?? '' })).contents.length).toBe(1);
    await expect(client.callTool({ name: 'get_note', arguments: { id: 'n-1' } })).rejects.toThrow(/names of tools and prompts begin with/);
    await expect(client.callTool({ name: 'notes__place_order', arguments: {} })).rejects.toThrow(/No rule/);
    await client.close();

    const mine = async (kind: string) => (await gate.journal(kind)).filter((record) => record.keyId === id);
    const [intent] = (await mine('call.intent')).filter(({ method }) => method === 'tools/call');
    expect(intent).toMatchObject({ upstream: 'notes', tool: 'get_note', agent: 'clerk-7f3a', org: 'acme', rule: 'notes.tools[0]' });
    expect((await mine('call.intent')).find(({ method }) => method === 'prompts/get')).toMatchObject({ prompt: 'summarise_note' });
    expect((await mine('call.refused')).map(({ tool, reason }) => `${tool} ${reason}`)).toEqual([
      'get_note TOOL_NOT_ALLOWED',
      'place_order TOOL_NOT_ALLOWED',
    ]);
  });

  it('an agent’s key uses plain names at its upstream’s own path', async () => {
    const { key } = await gate.mint({ scopes: ['read:notes'], agentId: 'clerk-7f3a', orgId: 'acme' });
    const client = await connect(`${gate.url}/mcp/notes`, key);
    expect((await client.listTools()).tools.map(({ name }) => name).sort()).toEqual(['get_note', 'list_notes']);
    expect(JSON.stringify(await client.callTool({ name: 'get_note', arguments: { id: 'n-1' } }))).toContain('Welcome');
    await client.close();
  });
});

/** A call of 2026-07-28, with whatever `Mcp-Name` says. */
function modernCall(name: string, mcpName: string): { body: object; headers: Record<string, string> } {
  const version = '2026-07-28';
  const _meta = {
    'io.modelcontextprotocol/protocolVersion': version,
    'io.modelcontextprotocol/clientCapabilities': {},
  };
  return {
    body: { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: {}, _meta } },
    headers: { 'mcp-protocol-version': version, 'mcp-method': 'tools/call', 'mcp-name': mcpName },
  };
}

const base64 = (text: string) => `=?base64?${Buffer.from(text).toString('base64')}?=`;

describe('what the upstream gets', () => {
  it('I4: only the prefix is gone from the bytes, and Mcp-Name follows the body', async () => {
    const key = await mint({ agentId: 'relay' });
    const text =
      '{ "jsonrpc":"2.0", "id":"up__1", "method":"tools/call","params":{"arguments":{"n":1E2,"name":"up__x"}, "name" : "up__tool_1"}}';
    await post(`${gate.url}/mcp/relay`, { key, body: text });
    expect(recording.requests.at(-1)?.body).toBe(text.replace('"up__tool_1"', '"tool_1"'));

    for (const [called, header, own, forwarded] of [
      ['up__tool_1', 'up__tool_1', 'tool_1', 'tool_1'],
      ['up__tool_1', base64('up__tool_1'), 'tool_1', 'tool_1'],
      ['up__höhe', base64('up__höhe'), 'höhe', base64('höhe')],
      ['up__=?base64?eA==?=', 'up__=?base64?eA==?=', '=?base64?eA==?=', base64('=?base64?eA==?=')],
    ] as const) {
      const { status } = await post(`${gate.url}/mcp/relay`, { key, ...modernCall(called, header) });
      expect(status).toBe(200);
      const last = recording.requests.at(-1);
      expect(last?.message).toMatchObject({ params: { name: own } });
      expect(last?.headers['mcp-name']).toBe(forwarded);
    }
  });

  it('Mcp-Name is compared with the client’s own body, before the prefix goes', async () => {
    const key = await mint({ agentId: 'relay' });
    const before = recording.requests.length;
    const { status, json } = await post(`${gate.url}/mcp/relay`, { key, ...modernCall('up__tool_1', 'tool_1') });
    expect(status).toBe(400);
    expect(json.error?.data['reason']).toBe('HEADER_MISMATCH');
    expect(recording.requests.length).toBe(before);
  });

  it('a header that a session client made up reaches no upstream', async () => {
    const key = await mint();
    await post(`${gate.url}/mcp/up`, { key, body: toolCall('tool_1'), headers: { 'mcp-name': 'tool_2' } });
    expect(recording.requests.at(-1)?.headers['mcp-name']).toBeUndefined();
  });

  it('the prompt of a completion loses its prefix, a resource template’s URI does not change', async () => {
    const key = await mint({ agentId: 'relay' });
    const complete = (ref: object) =>
      post(`${gate.url}/mcp/relay`, {
        key,
        body: { jsonrpc: '2.0', id: 1, method: 'completion/complete', params: { ref, argument: { name: 'up__a', value: '' } } },
      });
    await complete({ type: 'ref/prompt', name: 'up__prompt_0' });
    expect(recording.requests.at(-1)?.message).toMatchObject({ params: { ref: { name: 'prompt_0' }, argument: { name: 'up__a' } } });
    await complete({ type: 'ref/resource', uri: 'test://{name}' });
    expect(recording.requests.at(-1)?.message).toMatchObject({ params: { ref: { uri: 'test://{name}' } } });
    const bare = await complete({ type: 'ref/prompt', name: 'prompt_0' });
    expect(bare.json.error?.data['reason']).toBe('TOOL_NOT_ALLOWED');
  });

  it('lists in an event stream are prefixed too', async () => {
    const streaming = await startRecordingUpstream({ answer: 'sse', sessions: false });
    const other = await startTestGateway({ upstreams: { up: upstreamConfig(streaming.url) }, agents: { relay: { upstreams: ['up'] } } });
    const { key } = await other.mint({ scopes: ['read:up'], agentId: 'relay' });
    const { text } = await post(`${other.url}/mcp/relay`, { key, body: { jsonrpc: '2.0', id: 1, method: 'tools/list' } });
    expect(text).toContain('"name":"up__tool_0"');
    expect(text).not.toContain('"name":"tool_0"');
    await other.close();
    await streaming.close();
  });
});

describe('who may stand where', () => {
  const cases: [string, Record<string, unknown>, string, number, string, RegExp][] = [
    ['another agent’s key at an agent’s path', { agentId: 'relay2' }, 'relay', 401, 'WRONG_ENDPOINT', /bound to the agent relay2/],
    ['an unbound key at an agent’s path', {}, 'relay', 401, 'WRONG_ENDPOINT', /bound to no agent/],
    ['a bot’s key at an agent’s path', { kind: 'bot', botId: 'ops-1a' }, 'relay', 403, 'WRONG_KEY_KIND', /keys of kind agent/],
    ['an agent’s key at a bot’s path', { agentId: 'relay' }, 'ops-1a', 403, 'WRONG_KEY_KIND', /keys of kind bot/],
    ['another bot’s key at a bot’s path', { kind: 'bot', botId: 'ops-2b' }, 'ops-1a', 401, 'WRONG_ENDPOINT', /bound to the bot ops-2b/],
    ['an operator’s key at an agent’s path', { kind: 'operator' }, 'relay', 403, 'WRONG_KEY_KIND', /operator/],
    ['an operator’s key at a bot’s path', { kind: 'operator' }, 'ops-1a', 403, 'WRONG_KEY_KIND', /operator/],
    ['an operator’s key at an upstream’s path', { kind: 'operator' }, 'up', 403, 'WRONG_KEY_KIND', /operator/],
    [
      'a key of another organisation',
      { agentId: 'clerk-7f3a', orgId: 'other' },
      'clerk-7f3a',
      401,
      'WRONG_ENDPOINT',
      /another organisation/,
    ],
    ['a key of no organisation', { agentId: 'clerk-7f3a' }, 'clerk-7f3a', 401, 'WRONG_ENDPOINT', /another organisation/],
    [
      'an agent’s key at an upstream not its own',
      { agentId: 'relay' },
      'notes',
      403,
      'TOOL_NOT_ALLOWED',
      /does not name the upstream notes/,
    ],
    ['a bot’s key at an upstream not its own', { kind: 'bot', botId: 'ops-1a' }, 'notes', 403, 'TOOL_NOT_ALLOWED', /the bot ops-1a/],
    [
      'a test key at a live agent’s path',
      { agentId: 'relay', environment: 'test' },
      'relay',
      403,
      'WRONG_ENVIRONMENT',
      /a test key.* a live one/,
    ],
    ['a live key at a test agent’s path', { agentId: 'tester' }, 'tester', 403, 'WRONG_ENVIRONMENT', /a live key.* a test one/],
    ['a test key at a live upstream’s path', { environment: 'test' }, 'up', 403, 'WRONG_ENVIRONMENT', /a test key/],
    [
      'a key bound to an agent that is not configured, at the path of its name',
      { agentId: 'nobody' },
      'nobody',
      404,
      'UNKNOWN_ENDPOINT',
      /path/,
    ],
    ['a key that may not use the agent’s upstream', { agentId: 'relay', upstreams: ['notes'] }, 'relay', 403, 'TOOL_NOT_ALLOWED', /up\b/],
  ];

  it.each(cases)('%s is refused and told why', async (_what, request, name, status, reason, words) => {
    const reached = recording.requests.length + trial.requests.length;
    const key = await mint(request);
    const answer = await post(`${gate.url}/mcp/${name}`, { key, body: toolCall('up__tool_0', {}, 'mine') });
    expect({ status: answer.status, reason: answer.json.error?.data['reason'] }).toEqual({ status, reason });
    expect(answer.json.id).toBe('mine');
    expect(answer.json.error?.message).toMatch(words);
    expect(recording.requests.length + trial.requests.length).toBe(reached);
    if (status === 401) {
      expect(answer.headers.get('www-authenticate')).toContain(`/.well-known/oauth-protected-resource/mcp/${name}"`);
    }
  });

  it.each<[string, Record<string, unknown>, string, string]>([
    ['the agent’s own key', { agentId: 'relay' }, 'relay', 'up__tool_0'],
    ['the bot’s own key', { kind: 'bot', botId: 'ops-1a' }, 'ops-1a', 'up__tool_0'],
    ['a key bound by its scopes', { scopes: ['read:up', 'agent:relay'] }, 'relay', 'up__tool_0'],
    ['the agent’s key at its upstream', { agentId: 'relay' }, 'up', 'tool_0'],
    ['the bot’s key at its upstream', { kind: 'bot', botId: 'ops-1a' }, 'up', 'tool_0'],
    ['a key of an agent that is not configured, at an upstream', { agentId: 'nobody' }, 'up', 'tool_0'],
    ['a key of a bot that is not configured, at an upstream', { kind: 'bot', botId: 'nobody' }, 'up', 'tool_0'],
  ])('%s is served', async (_what, request, name, tool) => {
    const answer = await post(`${gate.url}/mcp/${name}`, { key: await mint(request), body: toolCall(tool) });
    expect(answer.status).toBe(200);
    expect(answer.text).toContain('\\"name\\":\\"tool_0\\"');
  });

  it('no path is told from another without a key', async () => {
    for (const name of ['relay', 'ops-1a', 'up', 'nothing']) {
      const { status } = await post(`${gate.url}/mcp/${name}`, { body: toolCall('x') });
      expect(status).toBe(401);
    }
  });

  it('the journal names the bot', async () => {
    const { key, id } = await gate.mint({ scopes: ['read:up'], kind: 'bot', botId: 'ops-1a' });
    await post(`${gate.url}/mcp/ops-1a`, { key, body: toolCall('up__tool_0') });
    const record = (await gate.journal('call.intent')).find(({ keyId }) => keyId === id);
    expect(record).toMatchObject({ bot: 'ops-1a', upstream: 'up', tool: 'tool_0' });
  });

  it('rules, key patterns and caps count the tool’s own name', async () => {
    const key = await mint({ agentId: 'relay', tools: ['tool_1'], caps: [{ calls: 1, per: 'total', tool: 'tool_1' }] });
    const call = async (name: string) => (await post(`${gate.url}/mcp/relay`, { key, body: toolCall(name) })).json.error?.data['reason'];
    expect(await call('up__tool_0')).toBe('TOOL_NOT_ALLOWED');
    expect(await call('up__tool_1')).toBeUndefined();
    expect(await call('up__tool_1')).toBe('CAP_EXCEEDED');
  });
});

describe('sessions', () => {
  const initialize = { jsonrpc: '2.0', id: 0, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {} } };

  it('A session of one path is unknown at every other, whatever the key may use', async () => {
    const key = await mint({ agentId: 'relay' });
    const open = async (name: string) => {
      const { headers } = await post(`${gate.url}/mcp/${name}`, { key, body: initialize });
      return headers.get('mcp-session-id') ?? '';
    };
    const sessions = { relay: await open('relay'), up: await open('up') };
    const call = (name: string, session: string, tool: string) =>
      post(`${gate.url}/mcp/${name}`, { key, body: toolCall(tool), headers: { 'mcp-session-id': session } });

    expect((await call('relay', sessions.relay, 'up__tool_0')).status).toBe(200);
    expect((await call('up', sessions.up, 'tool_0')).status).toBe(200);
    const reached = recording.requests.length;
    for (const [name, session, tool] of [
      ['up', sessions.relay, 'tool_0'],
      ['relay', sessions.up, 'up__tool_0'],
    ] as const) {
      const { status, json } = await call(name, session, tool);
      expect({ status, reason: json.error?.data['reason'] }).toEqual({ status: 404, reason: 'SESSION_NOT_FOUND' });
      for (const method of ['GET', 'DELETE']) {
        const headers = { authorization: `Bearer ${key}`, accept: 'text/event-stream', 'mcp-session-id': session };
        expect((await fetch(`${gate.url}/mcp/${name}`, { method, headers })).status).toBe(404);
      }
    }
    expect(recording.requests.length).toBe(reached);
  });
});

describe('test keys', () => {
  it('spend test money: limits are enforced and journalled, the account is not touched', async () => {
    await gate.authority.ledger.createAccount({ id: 'acc', now: Date.now(), by: { kind: 'account.created' } });
    await gate.authority.ledger.credit({
      accountId: 'acc',
      amount: 1_000_000 as never,
      reference: 'r',
      now: Date.now(),
      by: { kind: 'account.credited' },
    });
    const { key, id } = await gate.mint({
      scopes: ['read:up'],
      agentId: 'tester',
      environment: 'test',
      accountId: 'acc',
      budgets: [{ amount: '0.02', per: 'total' }],
    });
    const reasons: unknown[] = [];
    for (let times = 0; times < 3; times++) {
      const { json } = await post(`${gate.url}/mcp/tester`, { key, body: toolCall('trial__tool_0') });
      reasons.push(json.error?.data['reason']);
    }
    expect(reasons).toEqual([undefined, undefined, 'BUDGET_EXHAUSTED']);
    expect(trial.calls('tools/call').length).toBe(2);
    await gate.journalled('call.outcome', 2);
    const mine = (await gate.journal()).filter((record) => record.keyId === id && record.kind.startsWith('call.'));
    expect(new Set(mine.map(({ environment }) => environment))).toEqual(new Set(['test']));
    expect(mine.map(({ kind }) => kind).sort()).toEqual(['call.intent', 'call.intent', 'call.outcome', 'call.outcome', 'call.refused']);
    expect(await gate.authority.ledger.account('acc')).toMatchObject({ balance: 1_000_000, held: 0 });
  });

  it('a live key of the same account is charged', async () => {
    const key = await mint({ accountId: 'acc' });
    await post(`${gate.url}/mcp/up`, { key, body: toolCall('tool_0') });
    await expect.poll(() => gate.authority.ledger.account('acc')).toMatchObject({ balance: 990_000, held: 0 });
  });
});

describe('resource metadata', () => {
  it.each(['relay', 'ops-1a', 'up'])('stands at the path of %s', async (name) => {
    const answer = await fetch(`${gate.url}/.well-known/oauth-protected-resource/mcp/${name}`);
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({ resource: `${gate.url}/mcp/${name}`, scopes_supported: ['read:up'] });
  });

  it('does not stand where nothing is', async () => {
    expect((await fetch(`${gate.url}/.well-known/oauth-protected-resource/mcp/nothing`)).status).toBe(404);
  });
});
