import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { rotate } from '../../../src/authority/rotate.ts';
import { type Bench, createClosers, startBench } from '../../support/bench.ts';
import { post, toolCall } from '../../support/post.ts';

const closers = createClosers();
afterEach(() => closers.closeAll());

const largest = '1000000000';
const operatorOf = async (bench: Bench) => bench.gate.mint({ kind: 'operator', scopes: ['manage'] });

async function ask(bench: Bench, { key, path, body }: { key: string; path: string; body: unknown }) {
  const response = await fetch(`${bench.gate.adminUrl}/api/v1${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: response.status, json: (await response.json()) as Record<string, unknown> };
}

describe('A32: numbers that overflow', () => {
  let bench: Bench;
  let key: string;
  beforeAll(async () => {
    bench = await startBench();
    ({ key } = await operatorOf(bench));
  });
  afterAll(() => bench.close());

  it.each([
    ...['1000000000.000001', '10000000000', '100000000000000', '9223372036854775807', '9223372036854775808', '18446744073709551616'],
    ...['1e15', '1e400', '-1', '-0', '+1', '0x10', '1.0000001', '.5', '5.', '01', '1_000', 'NaN', 'Infinity', ' 1', '1\n', '١', ''],
  ])('an amount of %j is refused with 422, and no key is minted', async (amount) => {
    const before = (await bench.gate.journal('key.minted')).length;
    const body = { name: 'one', scopes: ['read:up'], budgets: [{ amount, per: 'total' }] };
    expect(await ask(bench, { key, path: '/keys/mint', body })).toMatchObject({ status: 422, json: { reason: 'INVALID_REQUEST' } });
    expect((await bench.gate.journal('key.minted')).length).toBe(before);
  });

  it.each(['9007199254740993', '9223372036854775808', '1e400', '-1', '1.5', '"10"', 'null', '[1]'])(
    'a cap of %s calls is refused with 422',
    async (calls) => {
      const bench = closers.keep(await startBench());
      const { key } = await operatorOf(bench);
      const body = `{"name":"one","scopes":["read:up"],"caps":[{"calls":${calls},"per":"day"}]}`;
      const answer = await ask(bench, { key, path: '/keys/mint', body });
      expect([400, 422], JSON.stringify(answer)).toContain(answer.status);
    },
  );

  it('at the largest amount every digit is kept: budget, balance, charge, journal and usage', async () => {
    const price = '123456789.000001';
    const rich = closers.keep(await startBench({ up: { tools: [{ match: '*', scope: 'read:up', price }] } }));
    const { key: operator } = await operatorOf(rich);
    expect((await ask(rich, { key: operator, path: '/accounts', body: { id: 'rich' } })).status).toBe(201);
    const credit = (amount: string, reference: string) =>
      ask(rich, { key: operator, path: '/accounts/rich/credit', body: { amount, reference } });
    expect(await credit('999999999.999999', 'first')).toMatchObject({ json: { balance: '999999999.999999' } });
    // One micro-unit more fits, a second one does not.
    expect(await credit('0.000001', 'second')).toMatchObject({ json: { balance: largest } });
    expect((await credit('0.000001', 'third')).status).toBeGreaterThanOrEqual(400);
    const minted = await rich.gate.mint({ scopes: ['read:up'], accountId: 'rich', budgets: [{ amount: largest, per: 'total' }] });
    const results: unknown[] = [];
    for (let n = 0; n < 9; n += 1) {
      const { json } = await post(rich.url, { key: minted.key, body: toolCall('echo', {}, n) });
      results.push(json.error?.data.reason ?? 'passed');
    }
    expect(results).toEqual([...Array(8).fill('passed'), 'BUDGET_EXHAUSTED']);
    await rich.settled();
    const left = '12345687.999992'; // 1,000,000,000 - 8 * 123,456,789.000001
    const account = await fetch(`${rich.gate.adminUrl}/api/v1/accounts/rich`, { headers: { authorization: `Bearer ${operator}` } });
    expect(await account.json()).toMatchObject({ balance: left, held: '0' });
    expect(await rich.usage(minted.id)).toMatchObject([{ spent: 987_654_312_000_008, held: 0, limit: 1_000_000_000_000_000 }, {}]);
    const outcomes = (await rich.gate.journal('call.outcome')).filter(({ keyId }) => keyId === minted.id);
    expect(outcomes.map(({ charged }) => charged)).toEqual(Array(8).fill(price));
  });

  it('an id beyond 2^53 reaches the upstream digit by digit, and its answer is matched', async () => {
    for (const id of ['9007199254740993', '-9007199254740993', '1e2', '123456789012345678901234567890']) {
      const body = `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"echo","arguments":{"big":12345678901234567890,"small":1e-400}}}`;
      const before = bench.upstream.requests.length;
      const answer = await post(bench.url, { key: bench.key, body });
      const seen = bench.upstream.requests.slice(before).map((request) => request.body);
      // Either it is no id, and nothing is sent, or it is, and not a byte is changed.
      expect(answer.status === 200 ? seen : []).toEqual(answer.status === 200 ? [body] : seen);
      if (answer.status !== 200) expect([answer.status, answer.json.error?.data.reason]).toEqual([400, 'INVALID_MESSAGE']);
    }
    await bench.settled();
  });
});

describe('A36: a rotated key', () => {
  it('both secrets work until the deadline, on one budget; afterwards the old one is unknown and the new one goes on', async () => {
    const bench = closers.keep(await startBench());
    const { key: first, id } = await bench.gate.mint({ scopes: ['read:up'], budgets: [{ amount: '0.05', per: 'total' }] });
    const { key: second, record } = await rotate(bench.gate.authority, id, { overlap: '2s' }, { via: 'cli' });
    const until = Date.parse(String(record.previousUntil));
    const call = async (key: string) => {
      const { status, json } = await post(bench.url, { key, body: toolCall('echo') });
      return json.error?.data.reason ?? status;
    };
    expect([await call(first), await call(second), await call(first), await call(second)]).toEqual([200, 200, 200, 200]);
    await new Promise((resolve) => setTimeout(resolve, until - Date.now() + 5));
    const before = bench.upstream.requests.length;
    expect(await call(first)).toBe('TOKEN_INVALID');
    expect(bench.upstream.requests.length).toBe(before);
    expect(await call(second)).toBe(200);
    expect(await call(second)).toBe('BUDGET_EXHAUSTED');
    await bench.settled();
    expect((await bench.usage(id))[0]).toMatchObject({ spent: 50_000, held: 0, limit: 50_000 });
    const calls = (await bench.gate.journal('call.outcome')).filter(({ keyId }) => keyId === id);
    expect(calls.map(({ charged }) => charged)).toEqual(Array(5).fill('0.01'));
  });
});
