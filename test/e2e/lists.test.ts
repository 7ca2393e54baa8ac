import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Bench, createClosers, startBench } from '../support/bench.ts';
import { inSession, modernMeta, stateless } from '../support/eras.ts';
import { eventsOf } from '../support/event-text.ts';
import { startTestGateway } from '../support/gateway.ts';
import { post, toolCall } from '../support/post.ts';
import { rpcId, rpcMethod } from '../support/recorded-request.ts';
import { type Respond, startRecordingUpstream } from '../support/recording-upstream.ts';

const closers = createClosers();
let bench: Bench;
let reader: { key: string; id: string };

const up = {
  tools: [
    { match: ['echo', 'get_*', 'ünï'], scope: 'read:up', price: '0.001' },
    { match: ['write_*'], scope: 'write:up' },
    { match: 'when_*', scope: 'read:up', when: 'args.fine == true' },
    { match: 'admin', scope: ['manage:up', 'audit:up'] },
  ],
  resources: [
    { match: 'test://public/**', scope: 'read:up' },
    { match: 'test://secret/**', scope: 'manage:up' },
    { match: 'file:///srv/*', scope: 'read:up' },
  ],
  prompts: [
    { match: 'open_*', scope: 'read:up', price: '0.002' },
    { match: 'closed', scope: 'manage:up' },
  ],
};

beforeAll(async () => {
  bench = await startBench({ up, mint: { scopes: ['manage', 'write', 'audit'] } });
  reader = await bench.gate.mint({ scopes: ['read'], budgets: [{ amount: '1', per: 'total' }] });
});
afterAll(() => bench.close());
beforeEach(() => bench.upstream.script(undefined));
afterEach(async () => {
  await closers.closeAll();
  await bench.alive();
});

type Era = typeof inSession;
const eras: [string, Era][] = [
  ['session', inSession],
  ['2026-07-28', stateless],
];

/** Answers with this exact text, in which `ID` stands for the request's id. */
function exactly(text: string, as: 'json' | 'events'): Respond {
  return (request, response) => {
    const answer = text.replace('"ID"', JSON.stringify(rpcId(request)));
    if (as === 'json') return void response.writeHead(200, { 'content-type': 'application/json; charset=utf-8' }).end(answer);
    return void response.writeHead(200, { 'content-type': 'text/event-stream' }).end(`event: message\ndata: ${answer}\n\n`);
  };
}

/** The text of the one message of an answer. */
async function textOf(request: ReturnType<Era>, key: string): Promise<string> {
  const answer = await post(bench.url, { key, body: request.body, headers: request.headers });
  expect(answer.status).toBe(200);
  await bench.settled();
  if (answer.headers.get('content-type') !== 'text/event-stream') return answer.text;
  const [only, ...more] = eventsOf(answer.text).flatMap(({ data }) => data ?? []);
  expect(more).toEqual([]);
  return only ?? '';
}

describe.each(eras)('in the era %s', (era, say) => {
  describe.each(['json', 'events'] as const)('lists answered as %s', (as) => {
    it('what is shown is byte for byte what the upstream sent, what is not is gone without a trace', async () => {
      const kept = [
        '{"name":"get_a","inputSchema":{"type":"object","default":1.0e+2,"big":12345678901234567890},"x-unknown":{"b":1,"a":-0.0}}',
        '{ "title":"T\\u00e9", "name":"echo" , "annotations":{"readOnlyHint":false} }',
        '{"inputSchema":{},"name":"\\u00fcn\\u00ef"}',
        '{"name":"when_x"}',
      ];
      const hidden = [
        '{"name":"write_page"}',
        '{"name":"admin","description":"get_a"}',
        '{"name":"unlisted"}',
        '{"name":"__proto__"}',
        '{"description":"nameless get_a"}',
        '{"name":7}',
        '"get_a"',
        'null',
        '[{"name":"get_a"}]',
        '{"name":{"name":"get_a"}}',
      ];
      const list = (items: string[]) =>
        `{"result":{"z":[1 , 2],"nextCursor":"c\\u0031==","tools":[${items.join(',')}],"_meta":{"n":1E400,"tools":["write_page"]}},"jsonrpc":"2.0","id":"ID"}`;
      const mixed = [hidden[0], hidden[1], kept[0], hidden[2], kept[1], kept[2], ...hidden.slice(3), kept[3], hidden[0]].map(String);
      bench.upstream.script(exactly(list(mixed), as));
      const own = JSON.stringify('own');
      expect(await textOf(say('tools/list', { cursor: 'abc' }, 'own'), reader.key)).toBe(list(kept).replace('"ID"', own));
      expect(bench.upstream.requests.at(-1)?.body).toContain('"cursor":"abc"');
      bench.upstream.script(exactly(list(hidden), as));
      expect(await textOf(say('tools/list', {}, 'own'), reader.key)).toBe(list([]).replace('"ID"', own));
      bench.upstream.script(exactly(list(kept), as));
      expect(await textOf(say('tools/list', {}, 'own'), reader.key)).toBe(list(kept).replace('"ID"', own));
    });

    it('resources, templates and prompts are filtered by what reading them would need', async () => {
      const cases: [string, string, string, string[], string[]][] = [
        [
          'resources/list',
          'resources',
          'uri',
          ['test://public/a', 'test://public/a/b', 'file:///srv/x'],
          [
            'test://secret/a',
            'test://publicx/a',
            'file:///srv/x/y',
            'test://public/../secret/a',
            'test://public/%2e%2e/secret',
            'nonsense',
          ],
        ],
        [
          'resources/templates/list',
          'resourceTemplates',
          'uriTemplate',
          ['test://public/{name}'],
          ['test://secret/{name}', 'test://{any}', '{+uri}'],
        ],
        ['prompts/list', 'prompts', 'name', ['open_a', 'open_'], ['closed', 'openx', 'Open_a']],
      ];
      for (const [method, member, name, shown, not] of cases) {
        const items = [...not, ...shown].map((value) => ({ [name]: value, name: name === 'name' ? value : 'test://public/a' }));
        bench.upstream.script(exactly(JSON.stringify({ jsonrpc: '2.0', id: 'ID', result: { [member]: items } }), as));
        const { result } = JSON.parse(await textOf(say(method), reader.key));
        expect(result[member].map((item: Record<string, string>) => item[name])).toEqual(shown);
      }
    });

    it('an error goes on as it is, and a list that is absent stays absent', async () => {
      for (const text of [
        '{"jsonrpc":"2.0","id":"ID","error":{"code":-32603,"message":"no","data":{"tools":[{"name":"write_page"}]}}}',
        '{"jsonrpc":"2.0","id":"ID","result":{}}',
      ]) {
        bench.upstream.script(exactly(text, as));
        expect(await textOf(say('tools/list', {}, 4), reader.key)).toBe(text.replace('"ID"', '4'));
      }
    });

    it('the answer to a call is not touched, whatever it holds', async () => {
      const text =
        '{"jsonrpc":"2.0","id":"ID","result":{"tools":[{"name":"write_page"}],"cacheScope":"public","ttlMs":9e9,"content":[{"n":1.10,"s":"\\ud83d"}]}}';
      bench.upstream.script(exactly(text, as));
      expect(await textOf(say('tools/call', { name: 'echo', arguments: {} }, 4), reader.key)).toBe(text.replace('"ID"', '4'));
    });
  });

  it('every listed item can be called, and no other', async () => {
    const names = ['echo', 'get_a', 'write_page', 'admin', 'unlisted', 'when_x'];
    bench.upstream.script((request, response, ordinary) =>
      rpcMethod(request) === 'tools/list'
        ? exactly(JSON.stringify({ jsonrpc: '2.0', id: 'ID', result: { tools: names.map((name) => ({ name })) } }), 'json')(
            request,
            response,
            ordinary,
          )
        : ordinary(),
    );
    for (const key of [reader.key, bench.key]) {
      const { result } = JSON.parse(await textOf(say('tools/list'), key));
      const listed = new Set(result.tools.map(({ name }: { name: string }) => name));
      for (const name of names) {
        const { body, headers } = say('tools/call', { name, arguments: { fine: true } });
        const { status } = await post(bench.url, { key, body, headers });
        expect({ name, allowed: status === 200 }).toEqual({ name, allowed: listed.has(name) });
      }
    }
    await bench.settled();
  });

  it('a key bound to tools sees no more than those', async () => {
    const bound = await bench.gate.mint({ scopes: ['manage', 'write'], tools: ['get_*', 'write_a'] });
    const items = ['get_a', 'echo', 'write_a', 'write_b'].map((name) => ({ name }));
    bench.upstream.script(exactly(JSON.stringify({ jsonrpc: '2.0', id: 'ID', result: { tools: items } }), 'json'));
    const { result } = JSON.parse(await textOf(say('tools/list'), bound.key));
    expect(result.tools).toEqual([{ name: 'get_a' }, { name: 'write_a' }]);
  });

  it('what is free is not charged, what has a price is: prompts by their rule', async () => {
    const spent = async () => (await bench.usage(reader.id))[0]?.spent ?? 0;
    const charged = async (method: string, params: Record<string, unknown>) => {
      const before = await spent();
      await textOf(say(method, params), reader.key);
      return (await spent()) - before;
    };
    expect(await charged('tools/list', {})).toBe(0);
    expect(await charged('prompts/list', {})).toBe(0);
    expect(await charged('resources/read', { uri: 'test://public/1' })).toBe(0);
    expect(await charged('prompts/get', { name: 'open_x' })).toBe(2_000);
    expect(await charged('tools/call', { name: 'echo', arguments: {} })).toBe(1_000);
    expect(era).toBeTruthy();
  });

  it.each([
    ['test://public/../secret/1', 'TOOL_NOT_ALLOWED'],
    ['test://public/a/../../secret/1', 'TOOL_NOT_ALLOWED'],
    ['test://public/%2e%2e/secret/1', 'TOOL_NOT_ALLOWED'],
    ['test://public/%2E%2e/secret/1', 'TOOL_NOT_ALLOWED'],
    ['test://public/..', 'TOOL_NOT_ALLOWED'],
    ['test://public/..#x', 'TOOL_NOT_ALLOWED'],
    ['test://public/..%2fsecret/1', 'TOOL_NOT_ALLOWED'],
    ['test://public/%252e%252e/secret/1', 'TOOL_NOT_ALLOWED'],
    ['test://public/..\\secret', 'TOOL_NOT_ALLOWED'],
    ['test://public\\..\\secret', 'TOOL_NOT_ALLOWED'],
    ['test://public/%c0%ae%c0%ae/x', 'TOOL_NOT_ALLOWED'],
    ['test://public/\u0000', 'TOOL_NOT_ALLOWED'],
    ['test://public/a\nb', 'TOOL_NOT_ALLOWED'],
    ['test://public@secret/1', 'TOOL_NOT_ALLOWED'],
    ['test://secret/1', 'INSUFFICIENT_SCOPE'],
    ['test://SECRET/1', 'INSUFFICIENT_SCOPE'],
    ['TEST://secret/1', 'INSUFFICIENT_SCOPE'],
    ['test://%73ecret/1', 'INSUFFICIENT_SCOPE'],
    ['test://secret/1?x=test://public/', 'INSUFFICIENT_SCOPE'],
    ['file:///srv/../etc/passwd', 'TOOL_NOT_ALLOWED'],
    ['file:///srv/a/b', 'TOOL_NOT_ALLOWED'],
    ['file://localhost/srv/a', 'TOOL_NOT_ALLOWED'],
    [' test://public/1', 'TOOL_NOT_ALLOWED'],
    ['//public/1', 'TOOL_NOT_ALLOWED'],
    ['public/1', 'TOOL_NOT_ALLOWED'],
    ['', 'TOOL_NOT_ALLOWED'],
  ] as const)('resources/read %j is refused: %s', async (uri, reason) => {
    const request = say('resources/read', { uri }, 'r');
    const headers =
      era === 'session' ? request.headers : { ...request.headers, 'mcp-name': `=?base64?${Buffer.from(uri).toString('base64')}?=` };
    await bench.refused({ reason, id: 'r', keyId: reader.id }, () => post(bench.url, { key: reader.key, body: request.body, headers }));
    if (era !== 'session') return;
    for (const method of ['resources/subscribe', 'resources/unsubscribe']) {
      await bench.refused({ reason, id: 1, keyId: reader.id }, () => post(bench.url, { key: reader.key, body: say(method, { uri }).body }));
    }
  });

  it.each([
    'test://public/1',
    'test://public/a/./b',
    'TEST://PUBLIC/1',
    'test://public/%61',
    'test://public/a..b/..c',
    'test://public/1?q=/../x',
    'test://public/{x}',
  ])('resources/read %s is forwarded as it is written', async (uri) => {
    const { result } = JSON.parse(await textOf(say('resources/read', { uri }), reader.key));
    expect(result.contents[0].uri).toBe(uri);
  });

  it('completion is judged like what it completes', async () => {
    bench.upstream.script(exactly('{"jsonrpc":"2.0","id":"ID","result":{"completion":{"values":["a"]}}}', 'json'));
    const complete = (ref: Record<string, string>) => say('completion/complete', { ref, argument: { name: 'x', value: '' } });
    for (const ref of [
      { type: 'ref/prompt', name: 'open_a' },
      { type: 'ref/resource', uri: 'test://public/{x}' },
    ]) {
      expect(await textOf(complete(ref), reader.key)).toContain('"values":["a"]');
    }
    for (const ref of [
      { type: 'ref/prompt', name: 'closed', uri: 'test://public/1' },
      { type: 'ref/resource', uri: 'test://secret/{x}', name: 'open_a' },
    ]) {
      const { body, headers } = complete(ref);
      await bench.refused({ reason: 'INSUFFICIENT_SCOPE', id: 1, keyId: reader.id }, () =>
        post(bench.url, { key: reader.key, body, headers }),
      );
    }
  });
});

describe('2026-07-28: what was cut for one key is kept by nobody else', () => {
  it.each([
    ['tools/list', {}, '"tools":[]'],
    ['resources/list', {}, '"resources":[]'],
    ['resources/templates/list', {}, '"resourceTemplates":[]'],
    ['prompts/list', {}, '"prompts":[]'],
    ['resources/read', { uri: 'test://public/1' }, '"contents":[]'],
    ['server/discover', {}, '"supportedVersions":["2026-07-28"]'],
  ])('%s', async (method, params, member) => {
    const answer = (scope: string, ttl: string) =>
      `{"jsonrpc":"2.0","id":1,"result":{"cacheScope":${scope},${member},"ttlMs":${ttl},"x":{"cacheScope":"public","ttlMs":1e9}}}`;
    for (const [scope, ttl, ttlAfter] of [
      ['"public"', '600000', '60000'],
      ['"private"', '1000', '1000'],
      ['"\\u0070ublic"', '6e4', '6e4'],
      ['null', '1e999', '60000'],
      ['"shared"', '"9"', '60000'],
    ] as const) {
      bench.upstream.script(exactly(answer(scope, ttl).replace('"id":1', '"id":"ID"'), 'json'));
      const { body, headers } = stateless(method, params);
      const got = await post(bench.url, { key: reader.key, body, headers });
      expect(got.text).toBe(answer('"private"', ttlAfter));
      expect(got.headers.get('cache-control')).toBe('no-store, private');
    }
    await bench.settled();
  });

  it('in the session era the same members are the upstream’s own', async () => {
    const text = '{"jsonrpc":"2.0","id":"ID","result":{"cacheScope":"public","tools":[],"ttlMs":600000}}';
    bench.upstream.script(exactly(text, 'json'));
    expect(await textOf(inSession('tools/list', {}, 1), reader.key)).toBe(text.replace('"ID"', '1'));
  });
});

describe('a client’s own file as configuration', () => {
  it('tools are decided by their annotations until rules are written', async () => {
    const tool = (name: string, annotations?: object) => ({
      name,
      inputSchema: { type: 'object' },
      ...(annotations ? { annotations } : {}),
    });
    const upstream = closers.keep(
      await startRecordingUpstream({
        tools: 0,
        extraTools: [
          tool('look', { readOnlyHint: true }),
          tool('change', { readOnlyHint: false }),
          tool('silent'),
          tool('wipe', { destructiveHint: true }),
          tool('both', { readOnlyHint: true, destructiveHint: true }),
          tool('words', { readOnlyHint: 'true' }),
        ],
      }),
    );
    // Such a file has no upstreams of keygate's own.
    const gate = closers.keep(
      await startTestGateway({
        mcpServers: { Up: { type: 'http', url: upstream.url, headers: { Authorization: 'Bearer of-the-client-file' } } },
      }),
    );
    const url = `${gate.url}/mcp/up`;
    const key = async (scope: string) => (await gate.mint({ scopes: [scope] })).key;
    const may: Record<string, string[]> = {
      'read:up': ['look', 'both'],
      'trade:up': ['look', 'change', 'silent', 'both', 'words'],
      manage: ['look', 'change', 'silent', 'wipe', 'both', 'words'],
      'read:other': [],
    };
    for (const [scope, allowed] of Object.entries(may)) {
      const scoped = await key(scope);
      const { json } = await post(url, { key: scoped, body: { jsonrpc: '2.0', id: 1, method: 'tools/list' } });
      expect(json.result).toEqual({ ...json.result, tools: allowed.map((name) => expect.objectContaining({ name })) });
      for (const name of may.manage ?? []) {
        const { status } = await post(url, { key: scoped, body: toolCall(name) });
        expect({ scope, name, status }).toEqual({ scope, name, status: allowed.includes(name) ? 200 : 403 });
      }
    }
    const scoped = await key('manage');
    for (const name of ['absent', '__proto__', 'toString']) {
      expect((await post(url, { key: scoped, body: toolCall(name) })).json.error?.data).toMatchObject({ reason: 'TOOL_NOT_ALLOWED' });
    }
    expect(new Set(upstream.requests.map(({ headers }) => headers.authorization))).toEqual(new Set(['Bearer of-the-client-file']));
    // The gateway's own asking is on record before it is made, and its session is ended.
    const asked = upstream.requests.filter(({ body }) => body.includes('"keygate"') || body.includes('"id":2')).length;
    expect(asked).toBeGreaterThan(0);
    expect((await gate.journal('upstream.listed')).length).toBeGreaterThan(0);
    expect(upstream.requests.filter(({ method }) => method === 'DELETE').length).toBe((await gate.journal('upstream.listed')).length);
  });

  it.each<[string, Respond]>([
    ['fails', (_request, response) => void response.writeHead(500).end()],
    [
      'lists what is no list',
      (request, response, ordinary) =>
        rpcMethod(request) === 'tools/list'
          ? exactly('{"jsonrpc":"2.0","id":"ID","result":{"tools":{}}}', 'json')(request, response, ordinary)
          : ordinary(),
    ],
    [
      'has no end of pages',
      (request, response, ordinary) =>
        rpcMethod(request) === 'tools/list'
          ? exactly('{"jsonrpc":"2.0","id":"ID","result":{"tools":[],"nextCursor":"more"}}', 'json')(request, response, ordinary)
          : ordinary(),
    ],
    [
      'answers others',
      (request, response) =>
        void response
          .writeHead(200, { 'content-type': 'application/json' })
          .end(
            `{"jsonrpc":"2.0","id":"x${String(rpcId(request))}","result":{"tools":[{"name":"look","annotations":{"readOnlyHint":true}}]}}`,
          ),
    ],
  ])('an upstream that %s when asked for its tools: the call is refused and never sent', async (_name, respond) => {
    const upstream = closers.keep(await startRecordingUpstream({ respond }));
    const gate = closers.keep(await startTestGateway({ mcpServers: { up: { url: upstream.url } } }));
    const { key } = await gate.mint({ scopes: ['manage'] });
    const answer = await post(`${gate.url}/mcp/up`, { key, body: toolCall('look', {}, 'own') });
    expect({ status: answer.status, id: answer.json.id, reason: answer.json.error?.data.reason }).toEqual({
      status: 502,
      id: 'own',
      reason: 'UPSTREAM_FAILED',
    });
    expect(upstream.calls('tools/call')).toEqual([]);
    expect(await gate.journal('call.intent')).toEqual([]);
    expect((await gate.journal('call.refused')).map(({ reason }) => reason)).toEqual(['UPSTREAM_FAILED']);
  });

  it('rules that are written later replace the annotations, at once', async () => {
    const upstream = closers.keep(await startRecordingUpstream());
    const gate = closers.keep(await startTestGateway({ mcpServers: { up: { url: upstream.url } } }));
    const { key } = await gate.mint({ scopes: ['read'] });
    const call = () => post(`${gate.url}/mcp/up`, { key, body: toolCall('tool_0') });
    expect((await call()).status).toBe(200);
    const { mcpServers: _client, ...own } = JSON.parse(await readFile(gate.configFile, 'utf8'));
    await writeFile(
      gate.configFile,
      JSON.stringify({ ...own, upstreams: { up: { url: upstream.url, tools: [{ match: 'tool_1', scope: 'read:up' }] } } }),
    );
    await gate.gateway.reload();
    expect((await call()).status).toBe(403);
  });
});

it('a body of 2026-07-28 keeps its _meta, tracing included, byte for byte', async () => {
  const body = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"n":1.0,"big":12345678901234567890},"_meta":{"traceparent":"00-1-2-01",${JSON.stringify(modernMeta).slice(1)}}}`;
  await post(bench.url, {
    key: bench.key,
    body,
    headers: { ...stateless('tools/call', { name: 'echo' }).headers, traceparent: '00-1-2-01' },
  });
  expect(bench.upstream.requests.at(-1)?.body).toBe(body);
  expect(bench.upstream.requests.at(-1)?.headers.traceparent).toBe('00-1-2-01');
  await bench.settled();
});
