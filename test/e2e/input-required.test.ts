import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Reason } from '../../src/domain/denial.ts';
import { roundsMax, stateBytesMax } from '../../src/domain/round.ts';
import { type Bench, startBench } from '../support/bench.ts';
import { stateless } from '../support/eras.ts';
import { messagesOf } from '../support/event-text.ts';
import { post } from '../support/post.ts';
import { rpcId } from '../support/recorded-request.ts';
import { type Respond, sendEvent, sendJson } from '../support/recording-upstream.ts';

const price = '0.01';
const up = {
  tools: [
    { match: 'ask', scope: 'read:up', price },
    { match: 'other', scope: 'read:up', price },
    { match: 'metered', scope: 'read:up', price: { max: '0.5', reported: 'example.com/cost', missing: 'none' } },
    { match: 'summed', scope: 'read:up', price, limits: [{ argument: 'amount', total: '10', per: 'total' }] },
  ],
  prompts: [{ match: '*', scope: 'read:up', price }],
  resources: [{ match: 'test://**', scope: 'read:up', price }],
};

let bench: Bench;
let other: { key: string; id: string };

beforeAll(async () => {
  bench = await startBench({ up, mint: { scopes: ['read'], caps: [{ calls: 1_000, per: 'total' }] }, also: { other: {} } });
  other = await bench.gate.mint({ scopes: ['read'], budgets: [{ amount: '1', per: 'total' }] });
});
afterAll(() => bench.close());
beforeEach(() => bench.upstream.script(needsInput('upstream state')));
afterEach(() => bench.settled());

/** Asks for input in every round, with this state. */
function needsInput(requestState: string | undefined, send: 'json' | 'sse' = 'json'): Respond {
  return (request, response) => {
    const inputRequests = { name: { method: 'elicitation/create', params: { mode: 'form', message: 'Name?', requestedSchema: {} } } };
    const result = { resultType: 'input_required', inputRequests, ...(requestState !== undefined && { requestState }) };
    const message = { jsonrpc: '2.0', id: rpcId(request), result };
    return void (send === 'sse' ? sendEvent(response, message) : sendJson(response, message));
  };
}

interface Round {
  readonly state: string;
  readonly status: number;
  readonly text: string;
  readonly result: Record<string, unknown>;
}

const subjects = {
  'tools/call': { name: 'ask', arguments: { question: 1 } },
  'prompts/get': { name: 'prompt_0', arguments: { a: 'b' } },
  'resources/read': { uri: 'test://one' },
} as const;
type Method = keyof typeof subjects;

async function ask(method: Method, params: object, { key = bench.key, to = bench.url } = {}): Promise<Round> {
  const { body, headers } = stateless(method, { ...subjects[method], ...params });
  const { status, text, json, headers: answered } = await post(to, { key, body, headers });
  const isStream = String(answered.get('content-type')).startsWith('text/event-stream');
  const result = ((isStream ? messagesOf(text)[0] : json)?.result ?? {}) as Record<string, unknown>;
  return { status, text, result, state: String(result.requestState) };
}

const inputResponses = { name: { action: 'accept', content: { name: 'Ada' } } };
const retry = (state: string) => ({ inputResponses, requestState: state });
const lastParams = () => (bench.upstream.requests.at(-1)?.message as { params: Record<string, unknown> } | undefined)?.params;
/** Micro-units, then calls. */
const spent = async () => {
  const lines = await bench.usage();
  return (['micros', 'calls'] as const).map(
    (unit) => lines.find((line) => line.unit === unit && /budget|cap/.test(line.limitName))?.spent ?? 0,
  );
};

function refused(
  reason: Reason,
  params: object,
  { method = 'tools/call' as Method, key = bench.key, keyId = bench.keyId, to = bench.url } = {},
) {
  const { body, headers } = stateless(method, { ...subjects[method], ...params });
  return bench.refused({ reason, id: 1, keyId }, () => post(to, { key, body, headers }));
}

describe.each(['tools/call', 'prompts/get', 'resources/read'] as const)('%s that needs input', (method) => {
  it.each(['json', 'sse'] as const)(
    'answered as %s: the state is sealed, comes back to the server as it was, and the next round is free',
    async (send) => {
      bench.upstream.script(needsInput('upst\u00e9am "state"\n', send));
      const before = await spent();
      const first = await ask(method, {});
      expect(first.status).toBe(200);
      expect(first.result).toMatchObject({ resultType: 'input_required', inputRequests: { name: { method: 'elicitation/create' } } });
      expect(first.state).toMatch(/^[A-Za-z0-9_-]{60,}$/);
      await bench.settled();
      const paid = await spent();
      expect(paid.map((each, at) => each - (before[at] ?? 0))).toEqual([10_000, 1]);
      bench.upstream.script(undefined);
      const second = await ask(method, retry(first.state));
      expect(second.status).toBe(200);
      expect(second.result.resultType).toBe('complete');
      expect(lastParams()).toMatchObject({ ...subjects[method], inputResponses, requestState: 'upst\u00e9am "state"\n' });
      await bench.settled();
      expect(await spent()).toEqual(paid);
      const [intent] = (await bench.gate.journal('call.intent')).slice(-1);
      const [outcome] = (await bench.gate.journal('call.outcome')).slice(-1);
      expect(intent).toMatchObject({ method, round: 1, held: '0' });
      expect(outcome).toMatchObject({ method, round: 1, charged: '0', status: 200 });
      expect(intent?.rule).toMatch(/^up\./);
    },
  );

  it('A29: a state of another key, path, method or name, or a forged one, is nothing', async () => {
    const { state } = await ask(method, {});
    await bench.settled();
    await refused('SESSION_NOT_FOUND', retry(state), { method, key: other.key, keyId: other.id });
    await refused('SESSION_NOT_FOUND', retry(state), { method, to: `${bench.gate.url}/mcp/other` });
    for (const elsewhere of Object.keys(subjects) as Method[]) {
      if (elsewhere !== method) await refused('SESSION_NOT_FOUND', retry(state), { method: elsewhere });
    }
    await refused(
      'SESSION_NOT_FOUND',
      { ...retry(state), ...(method === 'resources/read' ? { uri: 'test://two' } : { name: 'other' }) },
      { method },
    );
    for (const forged of ['upstream state', '', state.slice(0, -2), `${state}AA`, 'A'.repeat(70_000)]) {
      await refused('SESSION_NOT_FOUND', retry(forged), { method });
    }
    // All that used nothing up.
    expect((await ask(method, retry(state))).status).toBe(200);
  });
});

describe('a round', () => {
  it('is good once, also for eight at once', async () => {
    const { state } = await ask('tools/call', {});
    const before = bench.upstream.requests.length;
    const answers = await Promise.all(Array.from({ length: 8 }, () => ask('tools/call', retry(state))));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 400, 400, 400, 400, 400, 400, 400]);
    expect(bench.upstream.requests.length).toBe(before + 1);
    await bench.settled();
    const denied = await refused('INVALID_MESSAGE', retry(state));
    expect(denied.reason).toBe('INVALID_MESSAGE');
  });

  it('another spelling of a used state is no other state', async () => {
    const { state } = await ask('tools/call', {});
    expect((await ask('tools/call', retry(state))).status).toBe(200);
    await bench.settled();
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    for (const last of alphabet) {
      const { status } = await ask('tools/call', retry(state.slice(0, -1) + last));
      expect([400, 404]).toContain(status);
    }
  });

  it(`never a free loop: after ${roundsMax} rounds the call must be made anew`, async () => {
    const before = await spent();
    let { state } = await ask('tools/call', {});
    for (let round = 1; round <= roundsMax; round += 1) {
      const next = await ask('tools/call', retry(state));
      expect(next.status).toBe(200);
      state = next.state;
    }
    await bench.settled();
    const denied = await refused('INVALID_MESSAGE', retry(state));
    expect(denied.limit).toBe(roundsMax);
    expect((await spent()).map((each, at) => each - (before[at] ?? 0))).toEqual([10_000, 1]);
  });

  it('takes from the rate', async () => {
    const { key, id } = await bench.gate.mint({ scopes: ['read'], rate: { calls: 2, perSeconds: 3_600 } });
    const { state } = await ask('tools/call', {}, { key });
    const { state: next } = await ask('tools/call', retry(state), { key });
    await bench.settled();
    await refused('RATE_LIMITED', retry(next), { key, keyId: id });
  });

  it('without a state is a new call that pays', async () => {
    const before = await spent();
    await ask('tools/call', {});
    await ask('tools/call', { inputResponses });
    await bench.settled();
    expect((await spent()).map((each, at) => each - (before[at] ?? 0))).toEqual([20_000, 2]);
  });

  it('with other arguments pays like a new call, and its totals count', async () => {
    const params = (amount: number) => ({ name: 'summed', arguments: { amount } });
    const before = await spent();
    const first = await ask('tools/call', params(1));
    const second = await ask('tools/call', { ...params(1), ...retry(first.state) });
    expect(second.status).toBe(200);
    const third = await ask('tools/call', { ...params(8), ...retry(second.state) });
    expect(third.status).toBe(200);
    await bench.settled();
    expect((await spent()).map((each, at) => each - (before[at] ?? 0))).toEqual([20_000, 2]);
    const denied = await refused('POLICY_DENIED', { ...params(2), ...retry(third.state) });
    expect(denied.spent).toBe('9');
  });

  it('is judged by the rule anew', async () => {
    const { key, id } = await bench.gate.mint({ scopes: ['read'] });
    const { state } = await ask('tools/call', {}, { key });
    await bench.settled();
    const record = await bench.gate.authority.keyring.get(id);
    expect(record).toBeDefined();
    const { patch } = await import('../../src/authority/patch.ts');
    await patch(bench.gate.authority, id, { tools: ['other'] }, { via: 'api' });
    await refused('TOOL_NOT_ALLOWED', retry(state), { key, keyId: id });
  });

  it('of a tool with reported costs is paid at the first, in full', async () => {
    const { state } = await ask('tools/call', { name: 'metered' });
    bench.upstream.script(undefined);
    await ask('tools/call', { name: 'metered', ...retry(state) });
    await bench.settled();
    expect((await bench.gate.journal('call.outcome')).slice(-2).map(({ charged }) => charged)).toEqual(['0.5', '0']);
  });
});

describe('the state', () => {
  it.each(['"requestState":@S,"inputResponses":@I', '"inputResponses":@I , "requestState" : @S ', '"requestState":@S'])(
    'that the gate added is taken off again: %s',
    async (form) => {
      bench.upstream.script(needsInput(undefined));
      const { state } = await ask('tools/call', {});
      expect(state).toMatch(/^[A-Za-z0-9_-]{60,}$/);
      bench.upstream.script(undefined);
      const { body, headers } = stateless('tools/call', { name: 'ask', arguments: { question: 1 } });
      const members = form.replace('@S', JSON.stringify(state)).replace('@I', JSON.stringify(inputResponses));
      const text = JSON.stringify(body).replace('"params":{', `"params":{${members},`);
      const { status, json } = await post(bench.url, { key: bench.key, body: text, headers });
      expect([status, json.result?.resultType]).toEqual([200, 'complete']);
      expect(lastParams()).toMatchObject({ name: 'ask', arguments: { question: 1 } });
      expect(bench.upstream.requests.at(-1)?.body).not.toContain('requestState');
      await bench.settled();
      expect((await bench.gate.journal('call.outcome')).at(-1)).toMatchObject({ charged: '0', round: 1 });
    },
  );

  it('of a server may be large, and not larger than what every request can carry', async () => {
    const fits = 'x'.repeat(stateBytesMax - 2);
    bench.upstream.script(needsInput(fits));
    const { state, status } = await ask('tools/call', {});
    expect(status).toBe(200);
    expect((await ask('tools/call', retry(state))).status).toBe(200);
    expect(lastParams()?.requestState).toBe(fits);
    bench.upstream.script(needsInput(`${fits}x`));
    const over = await ask('tools/call', {});
    expect(over.status).toBe(502);
    expect(over.text).toContain('requestState is longer');
  });

  it('is no state in other methods, nor in what is no interim result', async () => {
    bench.upstream.script((request, response) => {
      const result = { resultType: 'complete', content: [], requestState: 'plain' };
      sendJson(response, { jsonrpc: '2.0', id: rpcId(request), result });
    });
    expect((await ask('tools/call', {})).state).toBe('plain');
  });
});
