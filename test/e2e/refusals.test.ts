import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createAccount } from '../../src/authority/accounts.ts';
import { mint } from '../../src/authority/mint.ts';
import { revoke } from '../../src/authority/revoke.ts';
import { composeKey, digestKey, displayOf, pepperId } from '../../src/domain/credential.ts';
import type { KeyRecord } from '../../src/domain/key.ts';
import { type Bench, createClosers, startBench } from '../support/bench.ts';
import { type EraRequest, inSession, modernMeta, stateless } from '../support/eras.ts';
import { openStream } from '../support/event-text.ts';
import { post, toolCall } from '../support/post.ts';
import { exchangeRaw, rawPost } from '../support/raw-http.ts';

const by = { via: 'cli' } as const;
const closers = createClosers();
let bench: Bench;

const tools = [
  { match: ['echo', 'get_*', 'search', 'größe', 'a.c'], scope: 'read:up', price: '0.01' },
  { match: 'search_admin', scope: 'read:search_admin' },
  { match: ['write_page'], scope: 'write:up', price: '0.05', when: 'args.title != "Home"' },
  { match: 'admin_*', scope: ['manage:up', 'audit:up'] },
];
const up = {
  tools,
  resources: [
    { match: 'test://public/**', scope: 'read:up' },
    { match: 'test://secret/**', scope: 'manage:up' },
  ],
  prompts: [
    { match: 'open_*', scope: 'read:up' },
    { match: 'closed', scope: 'manage:up' },
  ],
  methods: [{ match: 'vendor/reindex', scope: 'manage:up' }],
};

beforeAll(async () => {
  bench = await startBench({ up, mint: { scopes: ['manage', 'write', 'audit', 'read:search_admin'] } });
});
afterAll(() => bench.close());
afterEach(async () => {
  await closers.closeAll();
  await bench.alive();
});

async function send(request: EraRequest, { key = bench.key as string | null, to = bench.url, more = {} } = {}) {
  return post(to, { ...(key === null ? {} : { key }), body: request.body, headers: { ...request.headers, ...more } });
}

/** What the upstream saw last. */
function lastHeaders(): Record<string, unknown> {
  return bench.upstream.requests.at(-1)?.headers ?? {};
}

async function minted(request: Record<string, unknown>, own = bench) {
  return own.gate.mint({ scopes: ['read'], budgets: [{ amount: '10', per: 'total' }], ...request });
}

describe.each([
  ['the session era', inSession],
  ['2026-07-28', stateless],
] as const)('in %s', (_era, say) => {
  it('no key, an unknown key, a revoked key, an expired key: 401, counted', async () => {
    const call = say('tools/call', { name: 'echo', arguments: {} }, 'own');
    const refused = (reason: 'TOKEN_MISSING' | 'TOKEN_INVALID' | 'TOKEN_REVOKED' | 'TOKEN_EXPIRED', key: string | null) =>
      bench.refused({ reason, id: 'own', counted: true }, async () => {
        const answer = await send(call, { key });
        const challenge = answer.headers.get('www-authenticate') ?? '';
        expect(challenge.includes('error="invalid_token"')).toBe(reason !== 'TOKEN_MISSING');
        expect(challenge).toMatch(/resource_metadata="http:\/\/127\.0\.0\.1:\d+\/\.well-known\/oauth-protected-resource\/mcp\/up"$/);
        return answer;
      });
    await refused('TOKEN_MISSING', null);
    await refused('TOKEN_INVALID', 'kg_live_unknown');
    const { key, id } = await minted({});
    expect((await send(call, { key })).status).toBe(200);
    await bench.settled();
    await revoke(bench.gate.authority, id, { by });
    await refused('TOKEN_REVOKED', key);
    const { authority } = bench.gate;
    const longAgo = { ...authority, clock: { ...authority.clock, now: () => Date.now() - 2 * 86_400_000 } };
    const old = await mint(longAgo, { name: 'old', scopes: ['read'], ttl: '1d' }, by);
    await refused('TOKEN_EXPIRED', old.key);
  });

  it('INSUFFICIENT_SCOPE names the union of what is held and what is needed', async () => {
    const { key, id } = await minted({ scopes: ['read', 'org:acme'] });
    const denied = await bench.refused({ reason: 'INSUFFICIENT_SCOPE', id: 's', keyId: id }, async () => {
      const answer = await send(say('tools/call', { name: 'admin_drop', arguments: {} }, 's'), { key });
      expect(answer.headers.get('www-authenticate')).toContain('error="insufficient_scope", scope="read org:acme manage:up audit:up"');
      return answer;
    });
    expect(denied).toMatchObject({
      rule: 'up.tools[3]',
      needed: ['manage:up', 'audit:up'],
      scope: ['read', 'org:acme', 'manage:up', 'audit:up'],
    });
  });

  it.each([
    ['a tool', 'tools/call', { name: 'write_page', arguments: { title: 'x' } }],
    ['a resource', 'resources/read', { uri: 'test://secret/1' }],
    ['a prompt', 'prompts/get', { name: 'closed' }],
    [
      'a completion of a prompt',
      'completion/complete',
      { ref: { type: 'ref/prompt', name: 'closed' }, argument: { name: 'a', value: '' } },
    ],
    [
      'a completion of a resource',
      'completion/complete',
      { ref: { type: 'ref/resource', uri: 'test://secret/{x}' }, argument: { name: 'x', value: '' } },
    ],
    ['a method the operator granted', 'vendor/reindex', {}],
  ])('INSUFFICIENT_SCOPE for %s', async (_name, method, params) => {
    const { key, id } = await minted({});
    await bench.refused({ reason: 'INSUFFICIENT_SCOPE', id: 1, keyId: id }, () => send(say(method, params), { key }));
  });

  it.each([
    ['A26: a tool that exists and has no rule', 'tools/call', { name: 'tool_0', arguments: {} }],
    ['A02: __proto__', 'tools/call', { name: '__proto__', arguments: {} }],
    ['A02: constructor', 'tools/call', { name: 'constructor', arguments: {} }],
    ['A02: toString', 'tools/call', { name: 'toString', arguments: {} }],
    ['A02: hasOwnProperty', 'tools/call', { name: 'hasOwnProperty', arguments: {} }],
    ['A03: a longer name', 'tools/call', { name: 'search_', arguments: {} }],
    ['A03: a shorter name', 'tools/call', { name: 'searc', arguments: {} }],
    ['A03: another case', 'tools/call', { name: 'Search', arguments: {} }],
    ['A03: a dot is a dot', 'tools/call', { name: 'abc', arguments: {} }],
    ['A03: dot segments', 'tools/call', { name: 'a/../search', arguments: {} }],
    ['A03: white space around it', 'tools/call', { name: 'search ', arguments: {} }],
    ['A03: a NUL behind it', 'tools/call', { name: 'search\0', arguments: {} }],
    ['the empty name', 'tools/call', { name: '', arguments: {} }],
    ['a name of look-alike letters', 'tools/call', { name: 'seаrch', arguments: {} }],
    ['a decomposed name', 'tools/call', { name: 'größe'.normalize('NFD'), arguments: {} }],
    ['a prompt without a rule', 'prompts/get', { name: 'unlisted' }],
    ['a resource without a rule', 'resources/read', { uri: 'file:///etc/passwd' }],
    ['a resource that climbs out', 'resources/read', { uri: 'test://public/../../x' }],
    [
      'a completion of nothing known',
      'completion/complete',
      { ref: { type: 'ref/prompt', name: 'unlisted' }, argument: { name: 'a', value: '' } },
    ],
    [
      'a completion of an unknown kind',
      'completion/complete',
      { ref: { type: 'ref/tool', name: 'closed', uri: 'test://public/1' }, argument: { name: 'a', value: '' } },
    ],
  ])('TOOL_NOT_ALLOWED: %s', async (_name, method, params) => {
    await bench.refused({ reason: 'TOOL_NOT_ALLOWED', id: 1 }, () => send(say(method, params)));
    expect(({} as Record<string, unknown>).arguments).toBeUndefined();
  });

  it('A03: a scope is no prefix of a longer word', async () => {
    const { key, id } = await minted({ scopes: ['read:search'] });
    await bench.refused({ reason: 'INSUFFICIENT_SCOPE', id: 1, keyId: id }, () =>
      send(say('tools/call', { name: 'search_admin', arguments: {} }), { key }),
    );
  });

  it('a key bound to tools, to another upstream, to another address, to another environment, or of another kind', async () => {
    const call = (name: string) => say('tools/call', { name, arguments: {} });
    const boundTools = await minted({ tools: ['get_a*', 'search'] });
    expect((await send(call('get_all'), { key: boundTools.key })).status).toBe(200);
    await bench.settled();
    await bench.refused({ reason: 'TOOL_NOT_ALLOWED', id: 1, keyId: boundTools.id }, () => send(call('get_b'), { key: boundTools.key }));
    const elsewhere = await minted({ addresses: ['10.0.0.0/8', '2001:db8::/32'] });
    await bench.refused({ reason: 'ADDRESS_NOT_ALLOWED', id: 1, keyId: elsewhere.id }, () =>
      send(call('echo'), { key: elsewhere.key, more: { 'x-forwarded-for': '10.0.0.1', forwarded: 'for=10.0.0.1' } }),
    );
    const here = await minted({ addresses: ['127.0.0.0/8'] });
    expect((await send(call('echo'), { key: here.key })).status).toBe(200);
    await bench.settled();
    const test = await minted({ environment: 'test' });
    await bench.refused({ reason: 'WRONG_ENVIRONMENT', id: 1, keyId: test.id }, () => send(call('echo'), { key: test.key }));
    const operator = await minted({ kind: 'operator', scopes: ['*'] });
    await bench.refused({ reason: 'WRONG_KEY_KIND', id: 1, keyId: operator.id }, () => send(call('echo'), { key: operator.key }));
  });

  it('UNKNOWN_ENDPOINT', async () => {
    await bench.refused({ reason: 'UNKNOWN_ENDPOINT', id: 1 }, () =>
      send(say('tools/call', { name: 'echo' }), { to: `${bench.gate.url}/mcp/nowhere` }),
    );
  });

  it.each([
    ...(say === inSession ? ['tasks/update', 'subscriptions/listen'] : ['tasks/result', 'tasks/list', 'resources/subscribe', 'ping']),
    'skills/list',
    'resources/directory/read',
    'sampling/createMessage',
    'elicitation/create',
    'roots/list',
    'tools/Call',
    'TOOLS/CALL',
    '__proto__',
    'constructor',
    'vendor/other',
  ])('UNKNOWN_METHOD: %s', async (method) => {
    await bench.refused({ reason: 'UNKNOWN_METHOD', id: 1 }, () =>
      send(say(method, { taskId: 't', name: 'echo', uri: 'test://public/1', notifications: {} })),
    );
  });

  it('A04: batches are no messages, however small', async () => {
    const { body, headers } = say('tools/call', { name: 'echo', arguments: {} });
    for (const batch of [[], [body], [[body]], Array.from({ length: 1_000 }, () => body)]) {
      await bench.refused({ reason: 'INVALID_MESSAGE', id: null }, () => post(bench.url, { key: bench.key, body: batch, headers }));
    }
  });

  it('A05: a response that answers nothing', async () => {
    for (const body of [
      { jsonrpc: '2.0', id: 1, result: {} },
      { jsonrpc: '2.0', id: 'x'.repeat(200), result: {} },
      { jsonrpc: '2.0', id: 1, error: { code: 1, message: 'no' } },
    ]) {
      const { headers } = say('ping');
      await bench.refused({ reason: 'INVALID_MESSAGE', id: null }, () =>
        post(bench.url, { key: bench.key, body, headers: { 'mcp-protocol-version': headers['mcp-protocol-version'] ?? '' } }),
      );
    }
  });

  it('an unknown notification', async () => {
    const { headers } = say('notifications/surprise');
    await bench.refused({ reason: 'UNKNOWN_METHOD', id: null }, () =>
      post(bench.url, { key: bench.key, body: { jsonrpc: '2.0', method: 'notifications/surprise', params: {} }, headers }),
    );
  });

  it('UNSUPPORTED_VERSION names the versions there are', async () => {
    for (const version of ['2099-01-01', '2026-07-28 ', 'latest', '1']) {
      const denied = await bench.refused({ reason: 'UNSUPPORTED_VERSION', id: 1 }, () =>
        send(say('tools/call', { name: 'echo' }), { more: { 'mcp-protocol-version': `${version}x` } }),
      );
      const sessions = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05', '2024-10-07'];
      expect(denied.supported).toEqual(say === stateless ? ['2026-07-28'] : ['2026-07-28', ...sessions]);
    }
  });

  it('RATE_LIMITED says when to come back, and good keys do not share it', async () => {
    const { key, id } = await minted({ rate: { calls: 2, perSeconds: 60 } });
    const call = say('tools/call', { name: 'echo', arguments: {} });
    for (let at = 0; at < 2; at += 1) expect((await send(call, { key })).status).toBe(200);
    await bench.settled();
    const denied = await bench.refused({ reason: 'RATE_LIMITED', id: 1, keyId: id }, () => send(call, { key }));
    expect(denied).toMatchObject({ limit: '2/60s', rule: `key:${id} rate` });
    expect(denied.retryAfterMs).toBeGreaterThan(50_000);
  });
});

describe('2026-07-28: headers that mirror the body', () => {
  const call = (name = 'echo') => stateless('tools/call', { name, arguments: {} }, 'h');

  it.each<[string, Record<string, string | undefined>]>([
    ['no Mcp-Method', { 'mcp-method': undefined }],
    ['another Mcp-Method', { 'mcp-method': 'tools/list' }],
    ['Mcp-Method in another case', { 'mcp-method': 'Tools/Call' }],
    ['no Mcp-Name', { 'mcp-name': undefined }],
    ['another Mcp-Name', { 'mcp-name': 'search' }],
    ['Mcp-Name in another case', { 'mcp-name': 'ECHO' }],
    ['an encoded Mcp-Name that differs', { 'mcp-name': `=?base64?${Buffer.from('search').toString('base64')}?=` }],
    ['an encoded Mcp-Name that is no base64', { 'mcp-name': '=?base64?ZWNob===?=' }],
    ['an older version in the header', { 'mcp-protocol-version': '2025-11-25' }],
    ['no version in the header', { 'mcp-protocol-version': undefined }],
  ])('HEADER_MISMATCH: %s', async (_name, changed) => {
    const { body, headers } = call();
    const sent = Object.fromEntries(
      Object.entries({ ...headers, ...changed }).filter((entry): entry is [string, string] => entry[1] !== undefined),
    );
    await bench.refused({ reason: 'HEADER_MISMATCH', id: 'h' }, () => post(bench.url, { key: bench.key, body, headers: sent }));
  });

  it('HEADER_MISMATCH: another version in the body, a resource by another uri, a discovery without the header', async () => {
    const { body, headers } = stateless('tools/call', { name: 'echo' }, 1);
    const older = { ...body, params: { name: 'echo', _meta: { ...modernMeta, 'io.modelcontextprotocol/protocolVersion': '2025-11-25' } } };
    await bench.refused({ reason: 'HEADER_MISMATCH', id: 1 }, () => post(bench.url, { key: bench.key, body: older, headers }));
    await bench.refused({ reason: 'HEADER_MISMATCH', id: 1 }, () =>
      send(stateless('resources/read', { uri: 'test://public/1' }), { more: { 'mcp-name': 'test://public/2' } }),
    );
    await bench.refused({ reason: 'HEADER_MISMATCH', id: 1 }, () =>
      post(bench.url, { key: bench.key, body: { jsonrpc: '2.0', id: 1, method: 'server/discover' } }),
    );
  });

  it.each<[string, Record<string, unknown> | undefined]>([
    ['none', undefined],
    ['an empty one', {}],
    ['no version', { 'io.modelcontextprotocol/clientCapabilities': {} }],
    ['no capabilities', { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' }],
    ['capabilities that are no object', { ...modernMeta, 'io.modelcontextprotocol/clientCapabilities': true }],
    ['a version that is no text', { ...modernMeta, 'io.modelcontextprotocol/protocolVersion': 20260728 }],
  ])('META_MISSING: _meta with %s', async (_name, meta) => {
    const { body, headers } = call();
    const params = { name: 'echo', arguments: {}, ...(meta === undefined ? {} : { _meta: meta }) };
    await bench.refused({ reason: 'META_MISSING', id: 'h' }, () => post(bench.url, { key: bench.key, body: { ...body, params }, headers }));
  });

  it.each(['initialize', 'ping', 'logging/setLevel', 'resources/subscribe', 'resources/unsubscribe'])(
    'UNKNOWN_METHOD: %s is of the session era',
    async (method) => {
      await bench.refused({ reason: 'UNKNOWN_METHOD', id: 1 }, () =>
        send(stateless(method, { uri: 'test://public/1', protocolVersion: '2026-07-28', level: 'info' })),
      );
      // What is missing in its params does not make a method known.
      await bench.refused({ reason: 'UNKNOWN_METHOD', id: 1 }, () => send(stateless(method)));
    },
  );

  it.each(['GET', 'DELETE'])('METHOD_NOT_ALLOWED: %s', async (verb) => {
    await bench.refused({ reason: 'METHOD_NOT_ALLOWED', id: null }, async () => {
      const headers = { authorization: `Bearer ${bench.key}`, accept: 'text/event-stream', 'mcp-protocol-version': '2026-07-28' };
      const answer = await fetch(bench.url, { method: verb, headers });
      return { status: answer.status, headers: answer.headers, text: await answer.text() };
    });
  });

  it('a name that no header can hold is sent encoded, and passes', async () => {
    const answer = await send(call('größe'));
    expect({ status: answer.status, id: answer.json.id }).toEqual({ status: 200, id: 'h' });
    expect(bench.upstream.requests.at(-1)?.headers['mcp-name']).toMatch(/^=\?base64\?/);
  });

  it('A06: Mcp-Param headers nobody knows go on unchanged; a session id means nothing and stays here', async () => {
    await send(call(), {
      more: { 'mcp-param-Region': '=?base64?ZXU=?=', 'mcp-param-x': 'a, b', 'mcp-session-id': 'of-another-era', 'last-event-id': '7' },
    });
    const headers = lastHeaders();
    expect(headers).toMatchObject({
      'mcp-param-region': '=?base64?ZXU=?=',
      'mcp-param-x': 'a, b',
      'mcp-method': 'tools/call',
      'mcp-name': 'echo',
    });
    expect(headers['mcp-session-id']).toBeUndefined();
    expect(headers['last-event-id']).toBeUndefined();
  });

  it('a notification without Mcp-Method is taken, and goes on with it; a name it does not mirror stays here', async () => {
    const body = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1, _meta: modernMeta } };
    const answer = await post(bench.url, {
      key: bench.key,
      body,
      headers: { 'mcp-protocol-version': '2026-07-28', 'mcp-name': 'admin_drop' },
    });
    expect(answer.status).toBe(202);
    const headers = lastHeaders();
    expect(headers['mcp-method']).toBe('notifications/cancelled');
    expect(headers['mcp-name']).toBeUndefined();
  });

  it('in the session era the same headers decide nothing and are not passed on', async () => {
    const more = { 'mcp-method': 'tools/list', 'mcp-name': 'admin_drop', 'mcp-param-x': 'y' };
    expect((await send(inSession('tools/call', { name: 'echo', arguments: {} }), { more })).status).toBe(200);
    const headers = lastHeaders();
    for (const name of Object.keys(more)) expect(headers[name]).toBeUndefined();
  });
});

describe('server/discover is never answered 404 or 429', () => {
  it('refused by rate it is 503, at an unknown endpoint 403, and 401 stays 401', async () => {
    const discover = stateless('server/discover', {}, 'd');
    const { key, id } = await minted({ rate: { calls: 1, perSeconds: 60 } });
    expect((await send(discover, { key })).status).toBe(200);
    await bench.settled();
    await bench.refused({ reason: 'RATE_LIMITED', id: 'd', status: 503, keyId: id }, () => send(discover, { key }));
    await bench.refused({ reason: 'UNKNOWN_ENDPOINT', id: 'd', status: 403 }, () =>
      send(discover, { to: `${bench.gate.url}/mcp/nowhere` }),
    );
    await bench.refused({ reason: 'TOKEN_INVALID', id: 'd', counted: true }, () => send(discover, { key: 'nonsense' }));
  });
});

describe('refusals of a call, in three forms', () => {
  const modes = [
    ['jsonrpc', 200],
    ['http', undefined],
    ['tool-error', 200],
  ] as const;

  it.each(modes)('denials: %s', async (denials, fixed) => {
    const own = closers.keep(await startBench({ up: { ...up, denials }, mint: { scopes: ['manage', 'write', 'audit'] } }));
    await createAccount(own.gate.authority, 'empty', by);
    const call = inSession('tools/call', { name: 'echo', arguments: {} }, 'c');
    const spent = async (request: Record<string, unknown>) => {
      const { key, id } = await own.gate.mint({ scopes: ['manage', 'write'], ...request });
      return { key, id };
    };
    const expectForm = (answer: Awaited<ReturnType<typeof post>>) => {
      expect(answer.json.result?.isError).toBe(denials === 'tool-error' ? true : undefined);
      if (denials === 'tool-error')
        expect(answer.json.result?.content).toMatchObject([{ type: 'text', text: expect.stringMatching(/\w/) }]);
      else expect(answer.json.error?.message).toMatch(/\w/);
      return answer;
    };
    const http = (status: number) => ({ status: fixed ?? status });

    const budget = await spent({ budgets: [{ amount: '0.015', per: 'hour' }] });
    expect((await send(call, { key: budget.key, to: own.url })).status).toBe(200);
    await own.settled();
    const exhausted = await own.refused({ reason: 'BUDGET_EXHAUSTED', id: 'c', keyId: budget.id, ...http(429) }, async () =>
      expectForm(await send(call, { key: budget.key, to: own.url })),
    );
    expect(exhausted).toMatchObject({ rule: `key:${budget.id} budget hour`, limit: '0.015', spent: '0.01', held: '0' });
    expect(Date.parse(String(exhausted.resetAt))).toBeGreaterThan(Date.now());

    const capped = await spent({ caps: [{ calls: 1, per: 'day', tool: 'get_*' }] });
    const get = inSession('tools/call', { name: 'get_one', arguments: {} }, 'c');
    expect((await send(get, { key: capped.key, to: own.url })).status).toBe(200);
    await own.settled();
    await own.refused({ reason: 'CAP_EXCEEDED', id: 'c', keyId: capped.id, ...http(429) }, async () =>
      expectForm(await send(get, { key: capped.key, to: own.url })),
    );
    expect((await send(call, { key: capped.key, to: own.url })).json.result?.isError).toBeUndefined();

    const once = await spent({ maxUses: 1 });
    await send(call, { key: once.key, to: own.url });
    await own.settled();
    await own.refused({ reason: 'CAP_EXCEEDED', id: 'c', keyId: once.id, ...http(429) }, async () =>
      expectForm(await send(call, { key: once.key, to: own.url })),
    );

    const poor = await spent({ accountId: 'empty' });
    await own.refused({ reason: 'BALANCE_EXHAUSTED', id: 'c', keyId: poor.id, ...http(429) }, async () =>
      expectForm(await send(call, { key: poor.key, to: own.url })),
    );

    for (const text of ['{"title":"Home"}', '{}', '{"__proto__":{"title":"About"}}', '{"Title":"About"}']) {
      const body = `{"jsonrpc":"2.0","id":"c","method":"tools/call","params":{"name":"write_page","arguments":${text}}}`;
      const denied = await own.refused({ reason: 'POLICY_DENIED', id: 'c', ...http(403) }, async () =>
        expectForm(await post(own.url, { key: own.key, body })),
      );
      expect(denied).toMatchObject({ rule: 'up.tools[2]' });
    }
    const about = await post(own.url, { key: own.key, body: toolCall('write_page', { title: 'About' }) });
    expect(about.json.result).toMatchObject({ content: [{ type: 'text' }] });

    await own.settled();
    // What is no answer to a call keeps its own form.
    await own.refused({ reason: 'TOOL_NOT_ALLOWED', id: 'c' }, () =>
      send(inSession('tools/call', { name: 'unlisted', arguments: {} }, 'c'), { key: own.key, to: own.url }),
    );
    await own.alive();
  });
});

describe('where keys and upstreams do not fit', () => {
  it('A34: a live key on a test upstream, a test key on a live one, and each at its own', async () => {
    const both = closers.keep(await startBench({ also: { sandbox: { environment: 'test' }, other: {} } }));
    const sandbox = `${both.gate.url}/mcp/sandbox`;
    const test = await both.gate.mint({ scopes: ['manage'], environment: 'test', budgets: [{ amount: '1', per: 'total' }] });
    await both.refused({ reason: 'WRONG_ENVIRONMENT', id: 1 }, () => post(sandbox, { key: both.key, body: toolCall('echo') }));
    await both.refused({ reason: 'WRONG_ENVIRONMENT', id: 1, keyId: test.id }, () =>
      post(both.url, { key: test.key, body: toolCall('echo') }),
    );
    expect((await post(sandbox, { key: test.key, body: toolCall('echo') })).status).toBe(200);
    // Its outcome is not to be taken for a record of what is refused next.
    await both.settled();
    const bound = await both.gate.mint({ scopes: ['manage'], upstreams: ['other'] });
    for (const request of [toolCall('echo'), { jsonrpc: '2.0', id: 1, method: 'tools/list' }, { jsonrpc: '2.0', id: 1, method: 'ping' }]) {
      await both.refused({ reason: 'TOOL_NOT_ALLOWED', id: 1, keyId: bound.id }, () => post(both.url, { key: bound.key, body: request }));
    }
    await both.alive();
  });

  it('I7: a child has no more than its parent, whatever its own record says', async () => {
    const child = async (parent: { id: string }, terms: Partial<KeyRecord> = {}) => {
      const { keyring, keys, random } = bench.gate.authority;
      const of = await keyring.get(parent.id);
      const [pepper = ''] = keys.peppers;
      if (!of) throw new Error('no parent');
      const id = `Child${Math.random().toString(36).slice(2, 5).padEnd(3, '0')}`;
      const key = composeKey({ prefix: keys.prefix, environment: 'live', id, secret: random(32) });
      const digests = [{ digest: digestKey(key, pepper), pepperId: pepperId(pepper) }];
      const { rate: _rate, ...rest } = of;
      await keyring.insert(
        { ...rest, ...displayOf(key), id, digests, parentIds: [of.id, ...of.parentIds], tools: [], upstreams: [], addresses: [], ...terms },
        by,
      );
      return { key, id };
    };
    const call = toolCall('echo', {}, 'child');
    const sent = (key: string) => post(bench.url, { key, body: call });

    const parent = await minted({});
    const heir = await child(parent);
    expect((await sent(heir.key)).status).toBe(200);
    await bench.settled();
    await revoke(bench.gate.authority, parent.id, { by });
    await bench.refused({ reason: 'TOKEN_REVOKED', id: 'child', counted: true }, () => sent(heir.key));

    const narrow = await child(await minted({ tools: ['get_*'] }));
    await bench.refused({ reason: 'TOOL_NOT_ALLOWED', id: 'child', keyId: narrow.id }, () => sent(narrow.key));
    const away = await child(await minted({ addresses: ['10.0.0.0/8'] }));
    await bench.refused({ reason: 'ADDRESS_NOT_ALLOWED', id: 'child', keyId: away.id }, () => sent(away.key));
    const busy = await minted({ rate: { calls: 1, perSeconds: 60 } });
    const [one, two] = [await child(busy), await child(busy)];
    expect((await sent(one.key)).status).toBe(200);
    await bench.settled();
    await bench.refused({ reason: 'RATE_LIMITED', id: 'child', keyId: two.id }, () => sent(two.key));
    const poor = await minted({ budgets: [{ amount: '0.015', per: 'total' }] });
    const [first, second] = [await child(poor, { budgets: [] }), await child(poor, { budgets: [] })];
    expect((await sent(first.key)).json.result).toBeDefined();
    await bench.settled();
    await bench.refused({ reason: 'BUDGET_EXHAUSTED', id: 'child', keyId: second.id }, () => sent(second.key));
  });

  it('an address is believed only from a trusted proxy', async () => {
    const own = closers.keep(
      await startBench({ config: { listen: { mcp: '127.0.0.1:0', admin: '127.0.0.1:0', trustedProxies: ['127.0.0.0/8'] } } }),
    );
    const inside = await own.gate.mint({ scopes: ['manage'], addresses: ['10.0.0.0/8'] });
    const from = (forwarded: string) =>
      post(own.url, { key: inside.key, body: toolCall('echo'), headers: { 'x-forwarded-for': forwarded } });
    expect((await from('10.1.2.3')).status).toBe(200);
    expect((await from('203.0.113.7, 10.1.2.3')).status).toBe(200);
    await own.gate.journalled('call.outcome', 2);
    for (const forwarded of ['203.0.113.7', '10.1.2.3, 203.0.113.7', 'nonsense', '', '10.1.2.3:80']) {
      await own.refused({ reason: 'ADDRESS_NOT_ALLOWED', id: 1, keyId: inside.id }, () => from(forwarded));
    }
    expect((await own.gate.journal('call.intent')).filter(({ keyId }) => keyId === inside.id).map(({ address }) => address)).toEqual([
      '10.1.2.3',
      '10.1.2.3',
    ]);
  });
});

describe('what an upstream says about its streams and sessions', () => {
  it.each([
    ['GET', 405, 'METHOD_NOT_ALLOWED', 405],
    ['GET', 409, 'STREAM_CONFLICT', 409],
    ['GET', 401, 'UPSTREAM_FAILED', 502],
    ['GET', 200, 'UPSTREAM_FAILED', 502],
    ['DELETE', 405, 'METHOD_NOT_ALLOWED', 405],
    ['DELETE', 500, 'UPSTREAM_FAILED', 502],
  ] as const)('%s answered with %i is %s', async (verb, said, reason, http) => {
    bench.upstream.script((_request, response) => void response.writeHead(said, { 'content-type': 'application/json' }).end('{}'));
    const answer = await fetch(bench.url, { method: verb, headers: { accept: 'text/event-stream', authorization: `Bearer ${bench.key}` } });
    expect(answer.status).toBe(http);
    expect(await answer.json()).toMatchObject({ id: null, error: { data: { reason, upstreamStatus: said } } });
    await bench.settled();
    expect(await bench.recordsOf(answer.headers.get('x-request-id'))).toMatchObject([
      { kind: 'call.intent', method: verb === 'GET' ? 'stream/open' : 'session/end' },
      { kind: 'call.outcome', status: said, reason, charged: '0' },
    ]);
  });
});

describe('limits of the gateway', () => {
  it('an address that keeps failing is told to slow down, and good keys are not', async () => {
    const own = closers.keep(await startBench({ config: { limits: { failedAuthPerMinuteMax: 3 } } }));
    const guess = () => post(own.url, { key: 'kg_live_guess', body: toolCall('echo', {}, 'g') });
    for (let at = 0; at < 3; at += 1) await own.refused({ reason: 'TOKEN_INVALID', id: 'g', counted: true }, guess);
    await own.refused({ reason: 'RATE_LIMITED', id: 'g', counted: true }, guess);
    await own.alive();
  });

  it('OVERLOADED: one stream more than a key may have', async () => {
    const own = closers.keep(await startBench({ config: { limits: { streamsPerKeyMax: 1 } } }));
    const listening = { headers: { accept: 'text/event-stream', authorization: `Bearer ${own.key}` } };
    const stream = await openStream(own.url, listening);
    const before = own.upstream.requests.length;
    const refused = await fetch(own.url, listening);
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(await refused.json()).toMatchObject({ id: null, error: { code: -31503, data: { reason: 'OVERLOADED' } } });
    expect(own.upstream.requests.length).toBe(before);
    await own.gate.journalled('call.outcome', 1);
    const [intent, outcome, ...more] = await own.recordsOf(refused.headers.get('x-request-id'));
    expect(intent).toMatchObject({ kind: 'call.intent', method: 'stream/open' });
    expect(outcome).toMatchObject({ kind: 'call.outcome', reason: 'OVERLOADED', charged: '0', status: 'not-sent' });
    expect(more).toEqual([]);
    stream.leave();
    await own.gate.journalled('call.outcome', 2);
    await own.alive();
  });

  it('A02: names of Object.prototype in the message or the headers change nothing', async () => {
    for (const body of [
      '{"jsonrpc":"2.0","id":1,"method":"ping","__proto__":{"admin":true}}',
      '{"jsonrpc":"2.0","id":1,"method":"ping","constructor":{"prototype":{}}}',
    ]) {
      await bench.refused({ reason: 'INVALID_MESSAGE', id: 1 }, () => post(bench.url, { key: bench.key, body }));
    }
    const passed =
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"__proto__":{"admin":true},"constructor":1}}}';
    const written = rawPost({ lines: [`Authorization: Bearer ${bench.key}`, '__proto__: 1', 'constructor: 2'], body: passed });
    const { answers } = await exchangeRaw(bench.url, written);
    expect(answers[0]?.status).toBe(200);
    expect(bench.upstream.requests.at(-1)?.body).toBe(passed);
    expect(({} as Record<string, unknown>).admin).toBeUndefined();
  });
});
