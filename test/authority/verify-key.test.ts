import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Verified } from '../../src/authority/verify-key.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';

let gate: TestGateway;

beforeAll(async () => {
  const tools = [
    { match: 'get', scope: 'read' },
    { match: 'pay', scope: 'trade', price: '5', when: 'args.amount < 5', stepUp: true },
  ];
  const url = 'http://127.0.0.1:1/mcp';
  gate = await startTestGateway({ upstreams: { bank: { url, tools }, shop: { url, tools }, sand: { url, environment: 'test', tools } } });
});

afterAll(() => gate.close());

const verify = (question: Parameters<TestGateway['gateway']['composed']['dryRuns']['verifyKey']>[0]): Promise<Verified> =>
  gate.gateway.composed.dryRuns.verifyKey(question);

describe('verifyKey', () => {
  it('tells who a good key belongs to, and no secret', async () => {
    const { key, id } = await gate.mint({ scopes: ['read'], orgId: 'acme', agentId: 'a1', addresses: ['192.0.2.0/24'] });
    const verified = await verify({ key });
    expect(verified).toMatchObject({
      valid: true,
      reason: null,
      keyId: id,
      orgId: 'acme',
      agentId: 'a1',
      scopes: ['read'],
      environment: 'live',
    });
    expect(verified.expiresAt).toMatch(/^\d{4}-.*Z$/);
    expect(JSON.stringify(verified)).not.toContain(key);
    const record = await gate.authority.keyring.get(id);
    expect(JSON.stringify(verified)).not.toContain(record?.digests[0]?.digest);
  });

  it('tells nothing about unknown ones', async () => {
    const { key } = await gate.mint({ scopes: ['read'] });
    for (const text of ['', 'x', 'a.b.c', `${key}x`, key.slice(0, -1), 'kg_live_AbCd1234_'])
      expect(await verify({ key: text })).toEqual({ valid: false, reason: 'TOKEN_INVALID' });
  });

  it.each([
    [{ scope: 'read' }, null],
    [{ scope: 'read:bank' }, null],
    [{ scope: 'trade' }, 'INSUFFICIENT_SCOPE'],
    [{ scope: 'not a scope' }, 'INSUFFICIENT_SCOPE'],
    [{ upstream: 'bank' }, null],
    [{ upstream: 'shop' }, 'TOOL_NOT_ALLOWED'],
    [{ upstream: 'sand' }, 'WRONG_ENVIRONMENT'],
    [{ upstream: 'nowhere' }, 'UNKNOWN_ENDPOINT'],
    [{ upstream: '../bank' }, 'UNKNOWN_ENDPOINT'],
    [{ upstream: 'bank', tool: 'get' }, null],
    [{ upstream: 'bank', tool: 'pay' }, 'INSUFFICIENT_SCOPE'],
    [{ upstream: 'bank', tool: 'unlisted' }, 'TOOL_NOT_ALLOWED'],
    [{ tool: 'get' }, null],
    [{ tool: 'drop' }, 'TOOL_NOT_ALLOWED'],
  ])('a key that reads at bank, asked for %j: %s', async (question, reason) => {
    const { key, id } = await gate.mint({ scopes: ['read'], upstreams: ['bank'], tools: ['get', 'pay', 'unlisted'] });
    expect(await verify({ key, ...question })).toMatchObject({ valid: reason === null, reason, keyId: id });
  });

  it('judges the key and not the call: arguments, second factor and money are left to it', async () => {
    const { key } = await gate.mint({ scopes: ['trade'], budgets: [{ amount: '1', per: 'day' }] });
    expect(await verify({ key, upstream: 'bank', tool: 'pay' })).toMatchObject({ valid: true });
  });

  it('knows dead keys, operators and what is missing', async () => {
    const { key, id } = await gate.mint({ scopes: ['read'] });
    expect(await verify({ key, upstream: 'bank', tool: 'pay' })).toMatchObject({ needed: ['trade'] });
    await gate.authority.keyring.revoke(id, { reason: 'test', at: Date.now(), by: { via: 'cli' } });
    expect(await verify({ key })).toMatchObject({ valid: false, reason: 'TOKEN_REVOKED', keyId: id });
    const operator = await gate.mint({ scopes: ['admin'], kind: 'operator' });
    expect(await verify({ key: operator.key })).toMatchObject({ valid: true, kind: 'operator' });
    expect(await verify({ key: operator.key, upstream: 'bank' })).toMatchObject({ valid: false, reason: 'WRONG_KEY_KIND' });
  });

  it('knows access tokens: their own end, their own scopes', async () => {
    const { key } = await gate.mint({ scopes: ['trade'] });
    const { composed } = gate.gateway;
    const caller = await composed.callers.byKey(key);
    if (!caller) throw new Error('the key is unknown');
    const issued = await composed.issueToken({ caller, scopes: ['read:bank'] });
    const token = issued.accessToken;
    const verified = await verify({ key: token });
    expect(verified).toMatchObject({ valid: true, scopes: ['read:bank'], keyId: caller.key.id });
    expect(Date.parse(String(verified.expiresAt))).toBeLessThanOrEqual(Date.now() + 300_000);
    expect(await verify({ key: token, scope: 'trade' })).toMatchObject({ valid: false, reason: 'INSUFFICIENT_SCOPE' });
    expect(await verify({ key: token, upstream: 'bank', tool: 'pay' })).toMatchObject({ valid: false, reason: 'INSUFFICIENT_SCOPE' });
  });

  it('writes nothing', async () => {
    const { key } = await gate.mint({ scopes: ['read'], rate: { calls: 1, perSeconds: 60 } });
    const before = (await gate.journal()).length;
    for (let at = 0; at < 5; at += 1) expect((await verify({ key, upstream: 'bank', tool: 'get' })).valid).toBe(true);
    expect((await gate.journal()).length).toBe(before);
  });
});
