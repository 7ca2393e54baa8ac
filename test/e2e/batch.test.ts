import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Bench, startBench } from '../support/bench.ts';
import { modernMeta } from '../support/eras.ts';
import { messagesOf } from '../support/event-text.ts';
import { type EverythingServer, startEverythingServer } from '../support/everything-server.ts';
import { upstreamConfig } from '../support/gateway.ts';
import { eventsThenResult, hang, only } from '../support/misbehaviours.ts';
import { post, toolCall } from '../support/post.ts';

let bench: Bench;
let everything: EverythingServer;

beforeAll(async () => {
  everything = await startEverythingServer();
  bench = await startBench({
    up: {
      tools: [
        { match: 'tool_0', scope: 'read:up', price: '0.01' },
        { match: 'tool_1', scope: 'read:up', price: '0.1' },
        { match: 'echo', scope: 'read:up' },
      ],
    },
    also: { free: { tools: [{ match: '*', scope: 'read:up' }] } },
    config: { limits: { batchMax: 20, upstreamTimeoutMs: 1_000 }, upstreams: { everything: upstreamConfig(everything.url) } },
  });
});
afterAll(async () => {
  await bench.close();
  await everything.close();
});
beforeEach(() => bench.upstream.script(undefined));
afterEach(() => bench.alive());

const call = (id: string | number, name = 'tool_0') => toolCall(name, { n: id }, id);
const send = (body: unknown, headers: Record<string, string> = {}, key: string | undefined = bench.key) =>
  post(bench.url, { ...(key === undefined ? {} : { key }), body, headers });
type Entry = { id: unknown; result?: { content: { text: string }[] }; error?: { code: number; data?: { reason?: string } } };
const entriesOf = (text: string) => JSON.parse(text) as Entry[];

describe('batches of 2025-03-26', () => {
  it('each call is decided, journalled and charged alone, and the answers stand in order', async () => {
    const { key, id } = await bench.gate.mint({ scopes: ['read:up'], tools: ['tool_*'], budgets: [{ amount: '0.13', per: 'total' }] });
    const batch = [
      call('a'),
      { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'none' } },
      call('b', 'echo'),
      call('c', 'tool_1'),
      { jsonrpc: '2.0', id: 'd', method: 'no/such' },
      { jsonrpc: '2.0', id: 'e', method: 'tools/call', params: { name: 5 } },
      7,
    ];
    const answer = await send(batch, { 'mcp-protocol-version': '2025-03-26' }, key);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('application/json');
    expect(answer.headers.get('www-authenticate')).toBeNull();
    const entries = entriesOf(answer.text);
    expect(entries.map((entry) => [entry.id, entry.error?.data?.reason ?? entry.result?.content[0]?.text])).toEqual([
      ['a', '{"name":"tool_0","arguments":{"n":"a"}}'],
      ['b', 'TOOL_NOT_ALLOWED'],
      ['c', '{"name":"tool_1","arguments":{"n":"c"}}'],
      ['d', 'UNKNOWN_METHOD'],
      ['e', 'INVALID_MESSAGE'],
      [null, 'INVALID_MESSAGE'],
    ]);
    await bench.settled();
    const mine = (await bench.gate.journal()).filter((record) => record.keyId === id);
    const outcomes = mine.filter(({ kind }) => kind === 'call.outcome');
    expect(outcomes.map(({ tool, charged }) => `${tool} ${charged}`).sort()).toEqual(['tool_0 0.01', 'tool_1 0.1']);
    expect(
      mine
        .filter(({ kind }) => kind === 'call.refused')
        .map(({ reason }) => reason)
        .sort(),
    ).toEqual(['INVALID_MESSAGE', 'INVALID_MESSAGE', 'TOOL_NOT_ALLOWED', 'UNKNOWN_METHOD']);
  });

  it('I2: a batch spends no more than there is, however its calls overlap', async () => {
    const { key, id } = await bench.gate.mint({ scopes: ['read:up'], budgets: [{ amount: '0.05', per: 'total' }] });
    const answer = await send(
      Array.from({ length: 20 }, (_, n) => call(n)),
      {},
      key,
    );
    const entries = entriesOf(answer.text);
    expect(entries.map(({ id: own }) => own)).toEqual(Array.from({ length: 20 }, (_, n) => n));
    expect(entries.filter(({ result }) => result)).toHaveLength(5);
    expect(entries.filter(({ error }) => error?.data?.reason === 'BUDGET_EXHAUSTED')).toHaveLength(15);
    await bench.settled();
    expect(await bench.usage(id)).toMatchObject([{ spent: 50_000, held: 0 }]);
  });

  it('I4: each element reaches the upstream as its own bytes', async () => {
    const one = '{ "jsonrpc":"2.0","id":1 , "method":"tools/call","params":{"name":"tool_0","arguments":{"n":1E2}} }';
    const before = bench.upstream.requests.length;
    await send(` [ ${one} ,\n${JSON.stringify(call(2))}]`);
    const bodies = bench.upstream.requests.slice(before).map(({ body }) => body);
    expect(bodies.sort()).toEqual([one, JSON.stringify(call(2))].sort());
  });

  it('only notifications: 202; refused notifications: the refusal', async () => {
    const note = { jsonrpc: '2.0', method: 'notifications/initialized' };
    expect(await send([note, note])).toMatchObject({ status: 202, text: '' });
    const refused = await send([{ jsonrpc: '2.0', method: 'notifications/none' }]);
    expect(refused).toMatchObject({ status: 404, json: { error: { data: { reason: 'UNKNOWN_METHOD' } } } });
  });

  it('any element that streams makes the whole a stream, and what comes before its answer comes through', async () => {
    const progress = { jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 't', progress: 1 } };
    bench.upstream.script((request, response, ordinary) =>
      request.body.includes('"streamed"') ? eventsThenResult([progress])(request, response, ordinary) : ordinary(),
    );
    const answer = await send([call('plain'), call('streamed'), call('other')]);
    expect(answer.headers.get('content-type')).toBe('text/event-stream');
    const messages = messagesOf(answer.text);
    expect(messages).toContainEqual(progress);
    expect(messages.flatMap(({ id }) => (id === undefined ? [] : [id])).sort()).toEqual(['other', 'plain', 'streamed']);
  });

  it('one call that hangs ends with its own timeout and holds no other', async () => {
    bench.upstream.script((request, response, ordinary) =>
      request.body.includes('"slow"') ? only('tools/call', hang)(request, response, ordinary) : ordinary(),
    );
    const entries = entriesOf((await send([call('slow'), call('quick')])).text);
    expect(entries.map((entry) => [entry.id, entry.error?.data?.reason])).toEqual([
      ['slow', 'UPSTREAM_TIMEOUT'],
      ['quick', undefined],
    ]);
  });

  it('rate counts every message', async () => {
    const { key } = await bench.gate.mint({ scopes: ['read:up'], rate: { calls: 3, perSeconds: 60 } });
    const entries = entriesOf((await send([call(1), call(2), call(3), call(4)], {}, key)).text);
    expect(entries.map(({ error }) => error?.data?.reason)).toEqual([undefined, undefined, undefined, 'RATE_LIMITED']);
  });

  it('a session of another key refuses the whole with 404, so that its client begins anew', async () => {
    const answer = await send([call(1), call(2)], { 'mcp-session-id': 'A'.repeat(60) });
    expect(answer).toMatchObject({ status: 404, json: { error: { data: { reason: 'SESSION_NOT_FOUND' } } } });
  });

  it('works on a session of server-everything, whose own answers are streams', async () => {
    const url = `${bench.gate.url}/mcp/everything`;
    const { key } = await bench.gate.mint({ scopes: ['read:up'] });
    const params = { protocolVersion: '2025-03-26', capabilities: {}, clientInfo: { name: 'c', version: '1' } };
    const opened = await post(url, { key, body: { jsonrpc: '2.0', id: 0, method: 'initialize', params } });
    const headers = { 'mcp-session-id': opened.headers.get('mcp-session-id') ?? '', 'mcp-protocol-version': '2025-03-26' };
    const answer = await post(url, {
      key,
      headers,
      body: [toolCall('echo', { message: 'one' }, 1), toolCall('get-sum', { a: 2, b: 3 }, 2)],
    });
    const answers = new Map(messagesOf(answer.text).map((message) => [message.id, JSON.stringify(message.result)]));
    expect(answers.get(1)).toContain('Echo: one');
    expect(answers.get(2)).toContain('The sum of 2 and 3 is 5.');
  });
});

describe('A04: what is no batch is refused whole', () => {
  const many = Array.from({ length: 1_000 }, (_, n) => call(n));
  const initialize = { jsonrpc: '2.0', id: 9, method: 'initialize', params: { protocolVersion: '2025-03-26', capabilities: {} } };
  it.each<[string, unknown]>([
    ['[]', []],
    ['[1]', [1]],
    ['1,000 calls', many],
    ['one more than batchMax', many.slice(0, 21)],
    ['nested', [[call(1)]]],
    ['nested behind a call', [call(1), [call(2)]]],
    ['an initialize among others', [call(1), initialize]],
    ['two calls with one id', [call(1), call(1)]],
  ])('%s', async (_name, body) => {
    await bench.refused({ reason: 'INVALID_MESSAGE', id: null }, () => send(body));
  });

  it.each(['2024-11-05', '2025-06-18', '2025-11-25'])('any batch in %s', async (version) => {
    await bench.refused({ reason: 'INVALID_MESSAGE', id: null }, () => send([call(1), call(2)], { 'mcp-protocol-version': version }));
  });

  it('any batch in 2026-07-28', async () => {
    const body = [{ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'tool_0', _meta: modernMeta } }];
    const headers = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'tool_0' };
    await bench.refused({ reason: 'INVALID_MESSAGE', id: null }, () => send(body, headers));
  });

  it('broken JSON is a parse error, and no key is told so before it is known', async () => {
    await bench.refused({ reason: 'PARSE_ERROR', id: null }, () => send('[{"jsonrpc":"2.0"},'));
    await bench.refused({ reason: 'TOKEN_MISSING', id: null, counted: true }, () => post(bench.url, { body: [call(1)] }));
    await bench.refused({ reason: 'TOKEN_INVALID', id: null, counted: true }, () => send([call(1), call(2)], {}, 'kg_live_nonsense'));
  });
});
