import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { revoke } from '../../src/authority/revoke.ts';
import type { JournalRecord } from '../../src/domain/record.ts';
import { inSession, stateless } from '../support/eras.ts';
import { messagesOf, openStream } from '../support/event-text.ts';
import { startTestGateway, type TestGateway, upstreamConfig } from '../support/gateway.ts';
import * as wrong from '../support/misbehaviours.ts';
import { freePort } from '../support/ports.ts';
import { post, toolCall } from '../support/post.ts';
import { rpcId } from '../support/recorded-request.ts';
import { type RecordingUpstream, type Respond, sendEvent, sendJson, startRecordingUpstream } from '../support/recording-upstream.ts';

type Ending = 'answered' | 'error' | 'tool-error' | 'timeout' | 'lost' | 'not-sent';

/** One tool for each way to write the terms of a price of 0.01. */
const fixed = {
  whole: {},
  error: { charge: { error: 'none' } },
  toolError: { charge: { toolError: 'none' } },
  timeout: { charge: { timeout: 'none' } },
  lost: { charge: { lost: 'none' } },
  every: { charge: { error: 'none', toolError: 'none', timeout: 'none', lost: 'none' } },
} as const;
const fixedNames = Object.keys(fixed) as (keyof typeof fixed)[];
const price = 10_000;

/** Which of those tools is free after which ending: the table of docs/budgets.md, written out. */
const freeAfter: Record<Ending, readonly (keyof typeof fixed)[]> = {
  answered: [],
  error: ['error', 'every'],
  'tool-error': ['toolError', 'every'],
  timeout: ['timeout', 'every'],
  lost: ['lost', 'every'],
  'not-sent': fixedNames,
};

const costName = 'example.com/cost';
const max = 100_000;
const reported = (missing: string) => ({ price: { max: '0.10', reported: costName, missing } });

let upstream: RecordingUpstream;
let gate: TestGateway;
let caller: { key: string; id: string };

beforeAll(async () => {
  upstream = await startRecordingUpstream({ sessions: false });
  const scope = 'read:up';
  const tools = [
    ...Object.entries(fixed).map(([match, terms]) => ({ match, scope, price: '0.01', ...terms })),
    { match: 'metered', scope, ...reported('full') },
    { match: 'meteredFree', scope, ...reported('none') },
    { match: 'meteredGentle', scope, ...reported('full'), charge: { toolError: 'none', error: 'none' } },
    { match: 'tool_1', scope },
  ];
  const resources = [{ match: 'test://**', scope, ...reported('full'), charge: { lost: 'none' } }];
  gate = await startTestGateway({
    limits: { upstreamTimeoutMs: 700, answerBytesMax: '64KiB', eventBytesMax: '64KiB', heartbeatMs: 5_000 },
    upstreams: {
      up: upstreamConfig(upstream.url, { tools, resources }),
      down: upstreamConfig(`http://127.0.0.1:${await freePort()}/mcp`, { tools }),
    },
  });
  const { ledger } = gate.authority;
  const by = { kind: 'account.created' } as const;
  await ledger.createAccount({ id: 'acme', now: Date.now(), by });
  await ledger.credit({ accountId: 'acme', amount: 1_000_000_000 as never, reference: 'first', now: Date.now(), by });
  caller = await gate.mint({ scopes: ['read'], accountId: 'acme', budgets: [{ amount: '1000', per: 'total' }] });
});
afterAll(async () => {
  await gate.close();
  await upstream.close();
});

interface Money {
  readonly spent: number;
  readonly held: number;
}

/** What the key has spent and holds, by its budget and by its account's balance: both must say the same. */
async function money(): Promise<Money> {
  const { keyring, ledger } = gate.authority;
  const key = await keyring.get(caller.id);
  if (!key) throw new Error('the key is gone');
  const lines = await ledger.usage({ key, ancestors: [], now: Date.now() });
  const budget = lines.find(({ limitName }) => limitName.includes('budget'));
  const account = await ledger.account('acme');
  if (!budget || !account) throw new Error('no budget, or no account');
  expect({ spent: 1_000_000_000 - account.balance, held: account.held }).toEqual({ spent: budget.spent, held: budget.held });
  return { spent: budget.spent, held: budget.held };
}

/**
 * Makes calls and waits until each is settled. What budget, balance and journal say was charged must be one sum.
 * Resolves to the outcomes, by tool or, where there is none, by method.
 */
async function settledAfter(calls: () => Promise<unknown>, count: number): Promise<Map<string, JournalRecord & { micros: number }>> {
  const before = await money();
  const known = new Set((await gate.journal('call.outcome')).map(({ requestId }) => requestId));
  await calls();
  const outcomes = (await gate.journalled('call.outcome', known.size + count)).filter(({ requestId }) => !known.has(requestId));
  expect(outcomes.length).toBe(count);
  const charged = outcomes.map((record) => ({ ...record, micros: Math.round(Number(record.charged) * 1_000_000) }));
  expect(await money()).toEqual({ spent: before.spent + charged.reduce((sum, { micros }) => sum + micros, 0), held: 0 });
  return new Map(charged.map((record) => [String(record.tool ?? record.method), record]));
}

const call = (tool: string, to = 'up') => post(`${gate.url}/mcp/${to}`, { key: caller.key, body: toolCall(tool, {}, tool) });

function script(respond: Respond): void {
  upstream.script(wrong.only('tools/call', respond));
}

const answer =
  (send: typeof sendJson | typeof sendEvent, more: object): Respond =>
  (request, response) =>
    void send(response, { jsonrpc: '2.0', id: rpcId(request), ...more });

const raw =
  (form: 'json' | 'events', text: (id: string) => string, { id = '', ends = true, headers = {} } = {}): Respond =>
  (request, response) => {
    const written = text(JSON.stringify(rpcId(request)));
    response.writeHead(200, { 'content-type': form === 'json' ? 'application/json' : 'text/event-stream', ...headers });
    response.write(form === 'json' ? written : `${id}data: ${written}\n\n`);
    if (ends) response.end();
  };

const note = '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}';
const broken = { error: { code: -32000, message: 'no' } };

describe('A31: a call is charged by how it ended and by its rule, the same in every form of answer', () => {
  const forms: [string, Ending, Respond][] = [
    ['JSON: a result', 'answered', answer(sendJson, { result: { content: [] } })],
    ['SSE: a result', 'answered', answer(sendEvent, { result: { content: [] } })],
    ['JSON: a tool error', 'tool-error', answer(sendJson, { result: { content: [], isError: true } })],
    ['SSE: a tool error', 'tool-error', answer(sendEvent, { result: { content: [], isError: true } })],
    [
      'JSON: isError by another spelling',
      'tool-error',
      raw('json', (id) => `{"jsonrpc":"2.0","id":${id},"result":{"isErr\\u006fr":true}}`),
    ],
    ['SSE: isError that is no boolean', 'answered', answer(sendEvent, { result: { content: [], isError: 'true' } })],
    ['JSON: isError deeper', 'answered', answer(sendJson, { result: { content: [], structuredContent: { isError: true } } })],
    ['JSON: a JSON-RPC error', 'error', answer(sendJson, broken)],
    ['SSE: a JSON-RPC error', 'error', answer(sendEvent, broken)],
    ['400 with a JSON-RPC error', 'error', wrong.rpcError(-32602, 'bad', 400)],
    ['401', 'error', wrong.status(401)],
    ['404', 'error', wrong.status(404)],
    ['503', 'error', wrong.status(503)],
    ['307', 'error', wrong.redirect('http://127.0.0.1:9/')],
    ['202', 'error', (_request, response) => void response.writeHead(202).end()],
    ['HTML', 'error', wrong.html],
    ['JSON: broken', 'error', wrong.invalidJson],
    ['SSE: broken', 'error', raw('events', () => '{"jsonrpc"')],
    ['JSON: another id', 'error', wrong.wrongId],
    ['SSE: another id', 'error', raw('events', () => '{"jsonrpc":"2.0","id":"other","result":{}}')],
    ['JSON: too long', 'error', wrong.hugeAnswer(200_000)],
    ['SSE: too long', 'error', raw('events', () => 'x'.repeat(200_000))],
    ['JSON: compressed', 'error', wrong.gzip],
    ['SSE: compressed', 'error', raw('events', () => 'x', { headers: { 'content-encoding': 'gzip' } })],
    ['silence before the head', 'timeout', wrong.hang],
    ['JSON: silence', 'timeout', wrong.hangAfterHeaders],
    ['JSON: a byte now and then', 'timeout', wrong.slowBytes(40)],
    ['SSE: silence', 'timeout', raw('events', () => note, { ends: false })],
    ['reset before the head', 'lost', wrong.resetBeforeAnswer],
    ['JSON: reset', 'lost', wrong.resetMidAnswer],
    ['SSE: reset', 'lost', wrong.resetMidStream],
    ['SSE: ended without a result', 'lost', wrong.endWithoutResult],
  ];

  it.each(forms)('%s: %s', async (_name, ending, respond) => {
    script(respond);
    const outcomes = await settledAfter(() => Promise.all(fixedNames.map((tool) => call(tool))), fixedNames.length);
    expectTerms(outcomes, ending);
  });

  it('nothing sent: not-sent', async () => {
    const outcomes = await settledAfter(() => Promise.all(fixedNames.map((tool) => call(tool, 'down'))), fixedNames.length);
    expectTerms(outcomes, 'not-sent');
  });

  it.each<[string, Respond]>([
    ['before the head', wrong.hang],
    ['JSON', raw('json', () => '{', { ends: false })],
    ['SSE', raw('events', () => note, { ends: false })],
  ])('%s: the client leaves: lost', async (form, respond) => {
    script(respond);
    const outcomes = await settledAfter(() => Promise.all(fixedNames.map((tool) => callAndLeave(tool, form === 'SSE'))), fixedNames.length);
    expectTerms(outcomes, 'lost');
    for (const { status } of outcomes.values()) expect(status).toBe('client-gone');
  });

  it('a key that is revoked in the middle of a stream: lost', async () => {
    script(raw('events', () => note, { ends: false }));
    const mine = await gate.mint({ scopes: ['read'], accountId: 'acme' });
    const stream = await openStream(`${gate.url}/mcp/up`, posted('every', mine.key));
    await stream.seen(/notifications/);
    const outcomes = (await gate.journal('call.outcome')).length;
    await revoke(gate.authority, mine.id, { by: { via: 'cli' } });
    expect(messagesOf(await stream.ended).at(-1)).toMatchObject({ id: 'every', error: { data: { reason: 'TOKEN_REVOKED' } } });
    const ended = await gate.journalled('call.outcome', outcomes + 1);
    expect(ended.find(({ keyId }) => keyId === mine.id)).toMatchObject({ ending: 'lost', charged: '0' });
  });
});

function expectTerms(outcomes: Map<string, JournalRecord & { micros: number }>, ending: Ending): void {
  const due = Object.fromEntries(fixedNames.map((tool) => [tool, freeAfter[ending].includes(tool) ? 0 : price]));
  expect(Object.fromEntries([...outcomes].map(([tool, { micros }]) => [tool, micros]))).toEqual(due);
  for (const outcome of outcomes.values()) expect(outcome.ending).toBe(ending === 'answered' ? undefined : ending);
}

function posted(tool: string, key = caller.key): RequestInit {
  const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream', authorization: `Bearer ${key}` };
  return { method: 'POST', headers, body: JSON.stringify(toolCall(tool, {}, tool)) };
}

/** Leaves once the upstream works on it and, of a stream, once the first event is there. */
async function callAndLeave(tool: string, streams: boolean): Promise<void> {
  const isMine = ({ message }: { message: unknown }) => (message as { id?: unknown }).id === tool;
  const before = upstream.requests.filter(isMine).length;
  if (streams) {
    const stream = await openStream(`${gate.url}/mcp/up`, posted(tool));
    await stream.seen(/notifications/);
    stream.leave();
    return;
  }
  const leaving = new AbortController();
  const left = fetch(`${gate.url}/mcp/up`, { ...posted(tool), signal: leaving.signal }).catch(() => undefined);
  await upstream.received(before + 1, isMine);
  leaving.abort();
  await left;
}

describe('leaving is no way not to pay', () => {
  it.each(['leaves', 'loses the upstream'])('a client that has its answer and %s pays for it', async (how) => {
    const result = (id: string) => `{"jsonrpc":"2.0","id":${id},"result":{"content":[]}}`;
    script((request, response, ordinary) => {
      void raw('events', result, { ends: false })(request, response, ordinary);
      if (how === 'loses the upstream') setImmediate(() => response.socket?.resetAndDestroy());
    });
    const outcomes = await settledAfter(async () => {
      const stream = await openStream(`${gate.url}/mcp/up`, posted('every'));
      await stream.seen(/"result"/);
      if (how === 'leaves') stream.leave();
      await stream.ended;
    }, 1);
    expect(outcomes.get('every')).toMatchObject({ micros: price });
    expect(outcomes.get('every')).not.toHaveProperty('ending');
  });

  it('A38: a stream that was left can be taken up again for its answer, so it is charged in full', async () => {
    script(raw('events', () => note, { id: 'id: e1\n', ends: false }));
    let eventId = '';
    const outcomes = await settledAfter(async () => {
      const stream = await openStream(`${gate.url}/mcp/up`, posted('every'));
      await stream.seen(/notifications/);
      eventId = /^id: (\S+)$/m.exec(stream.text())?.[1] ?? '';
      stream.leave();
      await stream.ended;
    }, 1);
    expect(outcomes.get('every')).toMatchObject({ micros: price, ending: 'lost' });
    upstream.script((_request, response) => void sendEvent(response, { jsonrpc: '2.0', id: 'every', result: { content: [] } }));
    const resumed = await settledAfter(async () => {
      const again = await fetch(`${gate.url}/mcp/up`, {
        headers: { accept: 'text/event-stream', authorization: `Bearer ${caller.key}`, 'last-event-id': eventId },
      });
      expect(messagesOf(await again.text())).toMatchObject([{ id: 'every', result: {} }]);
    }, 1);
    expect(resumed.get('stream/open')).toMatchObject({ micros: 0 });
  });
});

describe('a cost that the upstream reports', () => {
  const forms = ['json', 'events'] as const;
  const stated = (value: string, more = '') => `"content":[],"_meta":{"${costName}":${value}}${more}`;
  const costs: [string, string, { micros: number; meteredFree?: number; cost?: string; costFault?: string }][] = [
    ['a string', stated('"0.03"'), { micros: 30_000, cost: '0.03' }],
    ['a number', stated('0.03'), { micros: 30_000, cost: '0.03' }],
    ['nothing', stated('0'), { micros: 0, cost: '0' }],
    ['all of it', stated('"0.1"'), { micros: max, cost: '0.1' }],
    ['30 digits', stated('0.033333333333333333333333333333'), { micros: 33_334, cost: '0.033334' }],
    ['30 digits before the point', stated(`"${'9'.repeat(30)}"`), { micros: max, meteredFree: 0, costFault: 'too-large' }],
    ['1e400', stated('1e400'), { micros: max, meteredFree: 0, costFault: 'too-large' }],
    ['2^53 + 1', stated('9007199254740993'), { micros: max, meteredFree: 0, costFault: 'too-large' }],
    ['more than was held', stated('"0.100001"'), { micros: max, cost: '0.100001', costFault: 'capped' }],
    ['less than nothing', stated('-0.05'), { micros: max, meteredFree: 0, costFault: 'negative' }],
    ['"NaN"', stated('"NaN"'), { micros: max, meteredFree: 0, costFault: 'unreadable' }],
    ['an object', stated('{"amount":0}'), { micros: max, meteredFree: 0, costFault: 'unreadable' }],
    ['none', '"content":[]', { micros: max, meteredFree: 0, costFault: 'missing' }],
    ['one beside _meta', `"content":[],"${costName}":"0"`, { micros: max, meteredFree: 0, costFault: 'missing' }],
    [
      'one in its content',
      `"content":[{"type":"text","text":"","_meta":{"${costName}":"0"}}]`,
      { micros: max, meteredFree: 0, costFault: 'missing' },
    ],
    ['one deeper in _meta', `"content":[],"_meta":{"a":{"${costName}":"0"}}`, { micros: max, meteredFree: 0, costFault: 'missing' }],
  ];

  it.each(costs)('%s: charged the same as JSON and as an event', async (_name, result, { micros, meteredFree = micros, ...facts }) => {
    for (const form of forms) {
      script(raw(form, (id) => `{"jsonrpc":"2.0","id":${id},"result":{${result}}}`));
      const outcomes = await settledAfter(() => Promise.all([call('metered'), call('meteredFree')]), 2);
      expect(outcomes.get('metered')).toMatchObject({ micros, ...facts });
      expect(outcomes.get('meteredFree')).toMatchObject({ micros: meteredFree, ...facts });
      for (const name of ['cost', 'costFault']) if (!(name in facts)) expect(outcomes.get('metered')).not.toHaveProperty(name);
    }
  });

  it.each([
    ['a number that is none', stated('NaN')],
    ['two costs', `"_meta":{"${costName}":"0","${costName}":"0.1"}`],
    ['two _meta', `"_meta":{"${costName}":"0"},"_meta":{}`],
  ])('%s is no answer at all, and charged in full', async (_name, result) => {
    for (const form of forms) {
      script(raw(form, (id) => `{"jsonrpc":"2.0","id":${id},"result":{${result}}}`));
      const outcomes = await settledAfter(() => Promise.all([call('metered'), call('meteredGentle')]), 2);
      expect(outcomes.get('metered')).toMatchObject({ micros: max, ending: 'error' });
      expect(outcomes.get('meteredGentle')).toMatchObject({ micros: 0, ending: 'error' });
    }
  });

  it('of a tool error is charged, unless tool errors are free; an error states none', async () => {
    for (const form of forms) {
      script(raw(form, (id) => `{"jsonrpc":"2.0","id":${id},"result":{${stated('"0.03"', ',"isError":true')}}}`));
      const failed = await settledAfter(() => Promise.all([call('metered'), call('meteredGentle')]), 2);
      expect(failed.get('metered')).toMatchObject({ micros: 30_000, ending: 'tool-error', cost: '0.03' });
      expect(failed.get('meteredGentle')).toMatchObject({ micros: 0, ending: 'tool-error', cost: '0.03' });
      const data = `"error":{"code":1,"message":"x","data":{"_meta":{"${costName}":"0"}},"_meta":{"${costName}":"0"}}`;
      script(raw(form, (id) => `{"jsonrpc":"2.0","id":${id},${data}}`));
      const refused = await settledAfter(() => call('meteredFree'), 1);
      expect(refused.get('meteredFree')).toMatchObject({ micros: max, ending: 'error' });
    }
  });

  it('is read from the answer as the upstream sent it, before anything is changed for the caller', async () => {
    for (const make of [inSession, stateless]) {
      for (const form of forms) {
        const result = `"resultType":"complete","contents":[],"ttlMs":900000,"cacheScope":"public","_meta":{"${costName}":0.02}`;
        upstream.script(raw(form, (id) => `{"jsonrpc":"2.0","id":${id},"result":{${result}}}`));
        const { body, headers } = make('resources/read', { uri: 'test://one' });
        const outcomes = await settledAfter(async () => {
          const { text } = await post(`${gate.url}/mcp/up`, { key: caller.key, body, headers });
          expect(text.includes('"public"')).toBe(make === inSession);
        }, 1);
        expect(outcomes.get('resources/read')).toMatchObject({ micros: 20_000, cost: '0.02' });
      }
    }
  });

  it('while the call runs, the most that it may cost is held', async () => {
    const go = Promise.withResolvers<void>();
    script(async (request, response, ordinary) => {
      await go.promise;
      await raw('json', (id) => `{"jsonrpc":"2.0","id":${id},"result":{${stated('"0.000001"')}}}`)(request, response, ordinary);
    });
    const before = await money();
    const sent = upstream.requests.length;
    const outcomes = await settledAfter(async () => {
      const running = call('metered');
      await upstream.received(sent + 1);
      expect(await money()).toEqual({ spent: before.spent, held: max });
      go.resolve();
      await running;
    }, 1);
    expect(outcomes.get('metered')).toMatchObject({ micros: 1 });
    const [intent] = (await gate.journal('call.intent')).slice(-1);
    expect(intent).toMatchObject({ tool: 'metered', held: '0.1' });
  });
});

it('A37: a call is settled once: 40 calls in parallel, each reporting its own cost, make one sum everywhere', async () => {
  script((request, response, ordinary) => {
    const cost = `0.00${String((request.message as { params: { arguments: { at: number } } }).params.arguments.at).padStart(2, '0')}`;
    return raw('json', (id) => `{"jsonrpc":"2.0","id":${id},"result":{"_meta":{"${costName}":${cost}}}}`)(request, response, ordinary);
  });
  const before = (await money()).spent;
  await settledAfter(
    () =>
      Promise.all(
        Array.from({ length: 40 }, (_, at) => post(`${gate.url}/mcp/up`, { key: caller.key, body: toolCall('metered', { at }, at) })),
      ),
    40,
  );
  expect((await money()).spent - before).toBe((39 * 40 * 100) / 2);
});

it('soft limits that a call goes beyond are named in its answer and in its intent, and refuse nothing', async () => {
  const { key, id } = await gate.mint({
    scopes: ['read'],
    budgets: [{ amount: '0.015', per: 'day', soft: true }],
    caps: [{ calls: 1, per: 'total', tool: 'wh*', soft: true }],
  });
  const names = [`key:${id} cap total wh*`, `key:${id} budget day`];
  script(answer(sendJson, { result: { content: [] } }));
  const first = await post(`${gate.url}/mcp/up`, { key, body: toolCall('whole') });
  expect(first.headers.get('x-keygate-over')).toBeNull();
  for (const form of [sendJson, sendEvent]) {
    script(answer(form, { result: { content: [] } }));
    const { status, headers } = await post(`${gate.url}/mcp/up`, { key, body: toolCall('whole') });
    expect({ status, over: headers.get('x-keygate-over')?.split(', ').sort() }).toEqual({ status: 200, over: names.toSorted() });
    const [intent] = (await gate.journal('call.intent')).filter(({ requestId }) => requestId === headers.get('x-request-id'));
    expect(new Set(intent?.over as string[] | undefined)).toEqual(new Set(names));
  }
});

it('GET /upstreams shows the terms of each price', async () => {
  const { key } = await gate.mint({ kind: 'operator', scopes: ['manage'] });
  const answer = await fetch(`${gate.adminUrl}/api/v1/upstreams`, { headers: { authorization: `Bearer ${key}` } });
  const { data } = (await answer.json()) as { data: { name: string; rules: ({ match: string[] } & Record<string, unknown>)[] }[] };
  const rules = data.find(({ name }) => name === 'up')?.rules ?? [];
  const rule = (match: string): Record<string, unknown> => rules.find((each) => each.match[0] === match) ?? {};
  expect(rule('lost')).toMatchObject({ price: '0.01', charge: { error: 'full', toolError: 'full', timeout: 'full', lost: 'none' } });
  expect(rule('meteredFree')).toMatchObject({ price: '0.1', reported: { name: costName, missing: 'none' } });
  expect(rule('test://**')).toMatchObject({ price: '0.1', charge: { error: 'full', timeout: 'full', lost: 'none' } });
  expect(rule('test://**').charge).not.toHaveProperty('toolError');
  for (const member of ['reported', 'charge', 'lease']) expect(rule('whole')).not.toHaveProperty(member);
});
