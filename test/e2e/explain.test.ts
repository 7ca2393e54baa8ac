import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Explanation } from '../../src/domain/explanation.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';
import { post, toolCall } from '../support/post.ts';
import { rpcMethod } from '../support/recorded-request.ts';
import { type RecordingUpstream, startRecordingUpstream } from '../support/recording-upstream.ts';

let upstream: RecordingUpstream;
let gate: TestGateway;

beforeAll(async () => {
  upstream = await startRecordingUpstream({ sessions: false });
  const rules = [
    { match: 'get_*', scope: 'read:bank' },
    { match: 'dear', scope: 'read:bank', price: '0.4' },
    { match: 'order', scope: 'trade:bank', price: '0.1', when: 'args.quantity <= 100 && key.environment == request.environment' },
    {
      match: 'pay',
      scope: ['trade:bank', 'pay'],
      limits: [
        { argument: 'amount', max: 50 },
        { argument: 'to.kind', oneOf: ['iban', 'card'] },
        { argument: 'amount', total: '120', per: 'total' },
      ],
    },
    { match: 'night', scope: 'read', limits: [{ hours: '00:00-24:00', days: ['mon'] }] },
    { match: 'wipe', scope: 'manage:bank', stepUp: true },
    { match: 'broken', scope: 'read', when: 'args.missing.member == 1' },
  ];
  gate = await startTestGateway({
    upstreams: {
      bank: { url: upstream.url, tools: rules, prompts: [{ match: '*', scope: 'read' }] },
      sand: { url: upstream.url, environment: 'test', tools: rules },
      own: { url: upstream.url, tools: 'annotations' },
    },
  });
});

afterAll(async () => {
  await gate.close();
  await upstream.close();
});

const some = <T>(...values: readonly T[]) => fc.constantFrom(...values);

const keys = fc.record({
  scopes: fc.uniqueArray(some('read', 'read:bank', 'trade:bank', 'trade', 'pay', 'manage', 'svc:bank:read'), { minLength: 1 }),
  environment: some('live', 'live', 'live', 'test'),
  upstreams: some(undefined, undefined, ['bank'], ['sand']),
  tools: some(undefined, undefined, ['get_*', 'pay', 'order'], ['dear']),
  budgets: some(undefined, [{ amount: '0.5', per: 'day' }], [{ amount: '0.3', per: 'total' }]),
  caps: some(undefined, [{ calls: 3, per: 'hour' }], [{ calls: 1, per: 'total', tool: 'get_*' }]),
  maxUses: some(undefined, undefined, 4),
  addresses: some(undefined, undefined, undefined, undefined, ['192.0.2.0/24']),
});

const calls = fc.record({
  upstream: some('bank', 'bank', 'bank', 'sand', 'nowhere'),
  tool: some('get_a', 'dear', 'dear', 'order', 'pay', 'pay', 'night', 'wipe', 'broken', 'unlisted', '__proto__'),
  arguments: fc.record(
    {
      amount: some<unknown>(10, 50, 50.000001, -1, '10', null, 1e300),
      quantity: some<unknown>(1, 100, 101, '1'),
      to: some<unknown>({ kind: 'iban' }, { kind: 'cash' }, { Kind: 'iban' }, 'iban'),
      AMOUNT: some<unknown>(1),
    },
    { requiredKeys: [] },
  ),
});

const shared = ['rule', 'ruleRevision', 'condition', 'limit', 'limitName', 'needed', 'scope', 'how'] as const;

describe('explain', () => {
  it('says of every call what the gateway then does', async () => {
    const seen = new Map<string, number>();
    const head = () => gate.authority.journal.head();
    for (const [at, terms] of fc.sample(keys, { numRuns: 40, seed: 11 }).entries()) {
      // A key cannot be minted for an upstream of the other environment.
      const home = terms.environment === 'live' ? 'bank' : 'sand';
      const upstreams = terms.upstreams?.includes(home) ? terms.upstreams : undefined;
      const request = Object.fromEntries(Object.entries({ ...terms, upstreams }).filter(([, value]) => value !== undefined));
      const { key, id } = await gate.mint(request);
      for (const call of fc.sample(calls, { numRuns: 14, seed: at })) {
        const written = await head();
        const explained = await gate.gateway.composed.dryRuns.explain({ keyId: id, ...call, address: '127.0.0.1' });
        expect(await head()).toBe(written);
        const { json } = await post(`${gate.url}/mcp/${call.upstream}`, { key, body: toolCall(call.tool, call.arguments) });
        const answer = json.error ? json.error.data.reason : 'allowed';
        expect(explained.reason ?? 'allowed', JSON.stringify({ terms, call })).toBe(answer);
        for (const fact of shared) expect(explained.facts?.[fact]).toEqual(json.error?.data[fact]);
        seen.set(String(answer), (seen.get(String(answer)) ?? 0) + 1);
        // Outcomes are written after the answer: the next look at the journal must not fall in between.
        if (answer === 'allowed') await gate.journalled('call.outcome', seen.get('allowed') ?? 0);
      }
    }
    const expected = ['allowed', 'POLICY_DENIED', 'INSUFFICIENT_SCOPE', 'TOOL_NOT_ALLOWED', 'STEP_UP_REQUIRED', 'BUDGET_EXHAUSTED'];
    for (const reason of [...expected, 'CAP_EXCEEDED', 'WRONG_ENVIRONMENT', 'UNKNOWN_ENDPOINT', 'ADDRESS_NOT_ALLOWED']) {
      expect(seen.get(reason) ?? 0, reason).toBeGreaterThan(0);
    }
  }, 60_000);

  it('gives rule, revision, scopes, price, limits, and what would lift it', async () => {
    const { id } = await gate.mint({ scopes: ['read'], budgets: [{ amount: '0.3', per: 'day' }] });
    const explain = (tool: string, args = {}): Promise<Explanation> =>
      gate.gateway.composed.dryRuns.explain({ keyId: id, upstream: 'bank', tool, arguments: args });
    expect(await explain('get_a')).toMatchObject({
      keyId: id,
      decision: 'allowed',
      rule: 'bank.tools[0]',
      ruleRevision: expect.stringMatching(/^[0-9a-f]{12}$/),
      scopes: { held: ['read'], needed: ['read:bank'] },
      price: '0',
      limits: [{ limitName: `key:${id} budget day`, unit: 'money', limit: '0.3', spent: '0', held: '0' }],
    });
    expect(await explain('order')).toMatchObject({
      reason: 'INSUFFICIENT_SCOPE',
      price: '0.1',
      lift: 'Use a key that also holds trade:bank.',
    });
    expect(await explain('dear')).toMatchObject({
      reason: 'BUDGET_EXHAUSTED',
      rule: 'bank.tools[1]',
      lift: `Have key:${id} budget day raised.`,
    });
    expect((await explain('broken')).lift).toContain('args.missing.member == 1');
    expect(await explain('nothing')).toMatchObject({ reason: 'TOOL_NOT_ALLOWED', decision: 'refused' });
  });

  it('knows dead and unknown keys, and keys by their text', async () => {
    const { key, id } = await gate.mint({ scopes: ['read'] });
    const { dryRuns } = gate.gateway.composed;
    const call = { upstream: 'bank', tool: 'get_a' };
    expect((await dryRuns.explain({ key, ...call })).keyId).toBe(id);
    await gate.authority.keyring.revoke(id, { reason: 'test', at: Date.now(), by: { via: 'cli' } });
    expect(await dryRuns.explain({ key, ...call })).toMatchObject({ decision: 'refused', reason: 'TOKEN_REVOKED' });
    expect(await dryRuns.explain({ key: `${key}x`, ...call })).toMatchObject({ decision: 'refused', reason: 'TOKEN_INVALID' });
    await expect(dryRuns.explain({ keyId: 'nobody00', ...call })).rejects.toThrow('no key');
  });
});

it('asks an upstream without written rules for its list, and for nothing else', async () => {
  const { key, id } = await gate.mint({ scopes: ['read:own'] });
  const { dryRuns } = gate.gateway.composed;
  const asked: unknown[] = [];
  for (const tool of ['tool_0', 'tool_1', 'unlisted']) {
    const before = upstream.requests.length;
    const explained = await dryRuns.explain({ keyId: id, upstream: 'own', tool });
    asked.push(...upstream.requests.slice(before).map((request) => rpcMethod(request)));
    const { json } = await post(`${gate.url}/mcp/own`, { key, body: toolCall(tool) });
    expect(explained.reason ?? 'allowed').toBe(json.error ? json.error.data.reason : 'allowed');
    if (tool !== 'unlisted') expect(explained.rule).toBe('own.annotations');
  }
  expect(asked).toContain('tools/list');
  expect(asked).not.toContain('tools/call');
});

describe('running totals', () => {
  it('64 parallel calls against a total for 12: exactly 12 reach the upstream', async () => {
    const { key } = await gate.mint({ scopes: ['trade', 'pay'] });
    const before = upstream.calls('tools/call').length;
    const pay = { amount: 10, to: { kind: 'iban' } };
    const answers = await Promise.all(Array.from({ length: 64 }, () => post(`${gate.url}/mcp/bank`, { key, body: toolCall('pay', pay) })));
    expect(upstream.calls('tools/call').length - before).toBe(12);
    const refused = answers.flatMap(({ json }) => (json.error ? [json.error] : []));
    expect(refused.length).toBe(52);
    for (const { code, data } of refused) {
      expect(code).toBe(-31430);
      expect(data).toMatchObject({
        reason: 'POLICY_DENIED',
        rule: 'bank.tools[3]',
        limit: '120',
        limitName: expect.stringContaining('amount'),
      });
      expect(Number(data.spent) + Number(data.held)).toBe(120);
    }
  });

  it('a call that broke off after it was sent is spent, and the next one meets it', async () => {
    const { key, id } = await gate.mint({ scopes: ['trade', 'pay'] });
    upstream.script((_request, response) => void response.socket?.destroy());
    const body = toolCall('pay', { amount: 50, to: { kind: 'card' } });
    await post(`${gate.url}/mcp/bank`, { key, body });
    upstream.script(undefined);
    await gate.journalled('call.outcome', (await gate.journal('call.intent')).length);
    const record = await gate.authority.keyring.get(id);
    if (!record) throw new Error('the key is gone');
    const lines = () => gate.authority.ledger.usage({ key: record, ancestors: [], now: Date.now() });
    // The connection broke after the call was sent: it may have been done.
    expect(await lines()).toMatchObject([{ spent: 50_000_000, held: 0 }]);
    const answers = [await post(`${gate.url}/mcp/bank`, { key, body }), await post(`${gate.url}/mcp/bank`, { key, body })];
    expect(answers.map(({ json }) => json.error?.data.reason)).toEqual([undefined, 'POLICY_DENIED']);
  });
});

describe('lists', () => {
  it('still show tools whose rules look at arguments, the time or a second factor', async () => {
    const { key } = await gate.mint({ scopes: ['manage', 'pay'] });
    upstream.script((_request, response) => {
      const tools = ['pay', 'night', 'wipe', 'broken', 'unlisted'].map((name) => ({ name, inputSchema: { type: 'object' } }));
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ jsonrpc: '2.0', id: 1, result: { tools } }));
    });
    const { json } = await post(`${gate.url}/mcp/bank`, { key, body: { jsonrpc: '2.0', id: 1, method: 'tools/list' } });
    upstream.script(undefined);
    const listed = (json.result?.tools ?? []) as { name: string }[];
    expect(listed.map(({ name }) => name)).toEqual(['pay', 'night', 'wipe', 'broken']);
  });
});
