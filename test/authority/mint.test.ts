import { describe, expect, it } from 'vitest';
import { createAccount } from '../../src/authority/accounts.ts';
import { mint, mintAnswer } from '../../src/authority/mint.ts';
import { RequestProblems } from '../../src/authority/problems.ts';
import { digestKey, readKey } from '../../src/domain/credential.ts';
import { createMemoryAuthority, startMs } from '../support/memory-authority.ts';

const by = { via: 'cli' } as const;
const dayMs = 86_400_000;

async function problemsOf(request: unknown, authority = createMemoryAuthority()): Promise<Record<string, string>> {
  try {
    await mint(authority, request, by);
  } catch (error) {
    if (!(error instanceof RequestProblems)) throw error;
    expect(authority.records.size).toBe(0);
    return Object.fromEntries(error.problems.map(({ path, message }) => [path, message]));
  }
  return {};
}

describe('mint', () => {
  it('stores the digest of a key and never the key', async () => {
    const authority = createMemoryAuthority();
    const minted = await mint(authority, { name: 'reader', scopes: ['read:wiki'] }, by);
    expect(readKey(minted.key, 'kg')).toEqual({ environment: 'live', id: minted.record.id });
    const record = authority.records.get(minted.record.id);
    expect(record?.digests).toEqual([
      { digest: digestKey(minted.key, authority.keys.peppers[0] ?? ''), pepperId: expect.stringMatching(/^[0-9a-f]{8}$/) },
    ]);
    const secret = minted.key.slice(-49, -6);
    expect(JSON.stringify(record)).not.toContain(secret);
    expect(JSON.stringify(minted.record)).not.toContain(secret);
    expect(JSON.stringify(minted.record)).not.toContain(record?.digests[0]?.digest);
    expect(authority.actors).toEqual([by]);
  });

  it('answers with the same object on every surface: id first, the key beside it', async () => {
    const minted = await mint(createMemoryAuthority(), { name: 'reader', scopes: ['read:wiki'] }, by);
    const answer = mintAnswer(minted);
    expect(Object.keys(answer).slice(0, 2)).toEqual(['id', 'key']);
    expect(answer).toMatchObject({ key: minted.key, last4: minted.key.slice(-4), status: 'active', warnings: [] });
  });

  it('fills in defaults', async () => {
    const { record } = await mint(createMemoryAuthority(), { name: 'reader', scopes: ['read'] }, by);
    expect(record).toMatchObject({
      kind: 'agent',
      environment: 'live',
      createdAt: '2026-11-20T12:00:00.000Z',
      expiresAt: '2027-02-18T12:00:00.000Z',
      orgId: null,
      budgets: [],
      rate: null,
      revision: 1,
    });
  });

  it('keeps everything that a request can say', async () => {
    const authority = createMemoryAuthority();
    await createAccount(authority, 'acme-main', by);
    const request = {
      name: 'trader',
      orgId: 'acme',
      agentId: 'devops-7f3a',
      environment: 'test',
      scopes: ['trade:desk'],
      permissions: { read: ['wiki', 'kb'], write: ['kb'] },
      expires_days: 7,
      budgets: [
        { amount: '5.00', per: 'day' },
        { amount: '0.000001', per: 'total', zone: 'Europe/Berlin' },
      ],
      caps: [{ calls: 100, per: 'hour', tool: 'get_*' }],
      rate: { calls: 10, perSeconds: 1 },
      upstreams: ['sandbox', 'sandbox'],
      tools: ['get_*'],
      addresses: ['10.0.0.0/8', '192.0.2.7', '2001:db8::/32', '::1'],
      accountId: 'acme-main',
      maxUses: 3,
      owner: 'Ada',
      purpose: 'nightly run',
      metadata: { team: 'search' },
      onBehalfOf: 'ada@example.com',
    };
    const { record } = await mint(authority, request, by);
    expect(record).toMatchObject({
      ...{ orgId: 'acme', agentId: 'devops-7f3a', environment: 'test', accountId: 'acme-main', maxUses: 3, owner: 'Ada' },
      scopes: ['trade:desk', 'read:wiki', 'read:kb', 'write:kb'],
      expiresAt: '2026-11-27T12:00:00.000Z',
      budgets: [
        { amount: '5', per: 'day', zone: 'UTC' },
        { amount: '0.000001', per: 'total', zone: 'Europe/Berlin' },
      ],
      caps: [{ calls: 100, per: 'hour', zone: 'UTC', tool: 'get_*' }],
      rate: { calls: 10, perSeconds: 1 },
      upstreams: ['sandbox'],
      addresses: ['10.0.0.0/8', '192.0.2.7/32', '2001:db8::/32', '::1/128'],
      metadata: { team: 'search' },
      onBehalfOf: 'ada@example.com',
    });
    expect(authority.records.get(record.id)?.budgets[0]?.amount).toBe(5_000_000);
  });

  it('binds by selectors, which must not contradict', async () => {
    const { record } = await mint(
      createMemoryAuthority(),
      { name: 'x', scopes: ['read', 'org:acme', 'agent:devops', 'agent:connect'] },
      by,
    );
    expect(record).toMatchObject({ orgId: 'acme', agentId: 'devops' });
    expect(await problemsOf({ name: 'x', orgId: 'acme', scopes: ['org:acme', 'org:other'] })).toHaveProperty('orgId');
    expect(await problemsOf({ name: 'x', agentId: 'one', scopes: ['agent:two'] })).toHaveProperty('agentId');
    expect(await problemsOf({ name: 'x', agentId: 'one', scopes: ['read', 'agent:one'] })).toEqual({});
  });

  it('reports everything that is wrong at once', async () => {
    const problems = await problemsOf({
      name: 'bad\u001b[31m',
      scopes: ['read:wiki', 'READ'],
      budgets: [
        { amount: '1.0000001', per: 'day' },
        { amount: 5, per: 'fortnight' },
        { amount: '1', per: 'day', zone: 'Mars/Olympus' },
      ],
      caps: [
        { calls: 0, per: 'hour' },
        { calls: 5, per: 'hour', tool: '*_page' },
      ],
      rate: { calls: 1.5, perSeconds: 1 },
      addresses: ['10.0.0.0/33', 'example.com', '::ffff:10.0.0.1', 'fe80::1%eth0'],
      maxUses: -1,
      ttl: '1y',
      metadata: { 'a b': 'x' },
      budget: '5.00/day',
      kind: 'root',
    });
    expect(Object.keys(problems).sort()).toEqual(
      [
        'addresses[0]',
        'addresses[1]',
        'addresses[2]',
        'addresses[3]',
        'budget',
        'budgets[0].amount',
        'budgets[1].amount',
        'budgets[1].per',
        'budgets[2].zone',
        'caps[0].calls',
        'caps[1].tool',
        'kind',
        'maxUses',
        'metadata.a b',
        'name',
        'rate.calls',
        'scopes[1]',
        'ttl',
      ].sort(),
    );
    expect(problems.budget).toBe('is not a member of this request');
  });

  it.each([
    ['an unknown upstream', { upstreams: ['wiki', 'nowhere'] }, 'upstreams[1]'],
    ['an upstream of the other environment', { upstreams: ['sandbox'] }, 'upstreams[0]'],
    ['an unknown account', { accountId: 'nobody' }, 'accountId'],
    ['a bot key without a bot', { kind: 'bot' }, 'botId'],
    ['a bot for a key of another kind', { botId: 'ops-1a' }, 'botId'],
    ['two lifetimes', { ttl: '1d', expires_days: 1 }, 'ttl'],
    ['a bad permission', { permissions: { read: ['a b'] } }, 'permissions'],
    [
      'a repeated budget',
      {
        budgets: [
          { amount: '1', per: 'day' },
          { amount: '2', per: 'day' },
        ],
      },
      'budgets[1]',
    ],
    [
      'a repeated total, whatever its zone',
      {
        budgets: [
          { amount: '1', per: 'total' },
          { amount: '2', per: 'total', zone: 'Europe/Berlin' },
        ],
      },
      'budgets[1]',
    ],
    [
      'a repeated cap',
      {
        caps: [
          { calls: 1, per: 'day' },
          { calls: 2, per: 'day', tool: 'a' },
          { calls: 3, per: 'day', tool: 'a' },
        ],
      },
      'caps[2]',
    ],
    ['an unknown parent', { parentId: 'AbCd1234' }, 'parentId'],
    ['a name of 81 characters', { name: 'n'.repeat(81) }, 'name'],
    ['an empty name', { name: '' }, 'name'],
    ['half a surrogate pair', { name: 'a\ud800' }, 'name'],
    ['a bidirectional override', { name: 'a\u202eb' }, 'name'],
  ])('refuses %s', async (_what, change, path) => {
    expect(Object.keys(await problemsOf({ name: 'x', scopes: ['read'], ...change }))).toEqual([path]);
  });

  it.each([[null], ['text'], [[]], [undefined]])('refuses a body that is no object: %j', async (body) => {
    await expect(mint(createMemoryAuthority(), body, by)).rejects.toThrow(RequestProblems);
  });
});

describe('lifetimes', () => {
  const expiryOf = async (request: object, expiry?: Parameters<typeof createMemoryAuthority>[0]): Promise<string | null> =>
    (await mint(createMemoryAuthority(expiry), { name: 'x', scopes: ['read'], ...request }, by)).record.expiresAt;

  it('are what the request says, up to the longest allowed', async () => {
    expect(await expiryOf({ ttl: '15m' })).toBe(new Date(startMs + 900_000).toISOString());
    expect(await expiryOf({ ttl: '365d' })).toBe(new Date(startMs + 365 * dayMs).toISOString());
    expect(await problemsOf({ name: 'x', ttl: '366d' })).toEqual({ ttl: 'keys live at most 365d here (keys.expiry.max)' });
    expect(await problemsOf({ name: 'x', expires_days: 366 })).toHaveProperty('expires_days');
  });

  it('may be endless only where keys need not expire', async () => {
    expect(await problemsOf({ name: 'x', ttl: 'never' })).toEqual({ ttl: 'keys must expire here (keys.expiry.required)' });
    expect(await expiryOf({ ttl: 'never' }, { expiry: { required: false } })).toBeNull();
    expect(await expiryOf({}, { expiry: { required: false, defaultMs: dayMs } })).toBe(new Date(startMs + dayMs).toISOString());
  });
});

describe('guards', () => {
  const request = { name: 'page reader', scopes: ['read:wiki'], ttl: '1d' };
  const tripped = async (
    change: object,
    authority = createMemoryAuthority({ expiry: { required: false } }),
  ): Promise<readonly string[]> => {
    const { guards, warnings } = await mint(authority, { ...request, ...change }, by);
    expect(warnings.length).toBeGreaterThanOrEqual(guards.length);
    return guards;
  };
  const second = async (change: object, first: object = {}) => {
    const authority = createMemoryAuthority();
    await mint(authority, { ...request, agentId: 'devops', purpose: 'search', ...first }, by);
    return await tripped({ agentId: 'devops', purpose: 'search', ...change }, authority);
  };

  it('are silent where there is nothing to say', async () => {
    expect((await mint(createMemoryAuthority(), request, by)).warnings).toEqual([]);
    expect((await mint(createMemoryAuthority(), { ...request, scopes: [] }, by)).warnings.join()).toContain('no scope');
  });

  it.each([
    ['a wildcard', { scopes: ['read:*'] }, ['wildcard']],
    ['managing', { scopes: ['manage:wiki'] }, ['manage']],
    ['managing in the other spelling', { scopes: ['svc:wiki:admin'] }, ['manage']],
    ['everything', { scopes: ['*'], budgets: [{ amount: '1', per: 'day' }] }, ['wildcard', 'manage']],
    ['managing by an operator, whose work it is', { kind: 'operator', scopes: ['manage', 'admin'] }, []],
    ['no end', { ttl: 'never' }, ['expiry']],
    ['a price without a budget', { scopes: ['write:wiki'] }, ['unbudgeted']],
    ['a price within a budget', { scopes: ['write:wiki'], budgets: [{ amount: '1', per: 'day' }] }, []],
    ['a price within a number of uses', { scopes: ['write:wiki'], maxUses: 1 }, []],
    ['test money', { scopes: ['write:wiki'], environment: 'test' }, []],
    ['a name of two letters', { name: 'k1' }, ['name']],
    ['a name that every key could have', { name: 'My-Key 3' }, ['name']],
    ['a number for a name', { name: '20261120' }, ['name']],
    ['a clear name that holds such a word', { name: 'test runner of search' }, []],
  ])('speak of %s', async (_what, change, guards) => {
    expect(await tripped(change)).toEqual(guards);
  });

  it('speak of a second live key for the same agent and purpose', async () => {
    expect(await second({})).toEqual(['duplicate']);
    expect(await second({ purpose: 'billing' })).toEqual([]);
    expect(await second({ agentId: 'other' })).toEqual([]);
    expect(await second({ environment: 'test' })).toEqual([]);
    expect(await second({ orgId: 'other' })).toEqual([]);
    const authority = createMemoryAuthority();
    const first = await mint(authority, { ...request, agentId: 'devops' }, by);
    expect((await mint(authority, { ...request, agentId: 'devops' }, by)).warnings.join()).toContain(first.record.id);
    authority.advance(dayMs);
    expect(await tripped({ agentId: 'devops' }, authority)).toEqual([]);
  });

  it('bind a child by the budget of its parent', async () => {
    const authority = createMemoryAuthority();
    const parent = await mint(authority, { ...request, scopes: ['write:wiki'], budgets: [{ amount: '1', per: 'day' }] }, by);
    expect(await tripped({ parentId: parent.record.id, scopes: ['write:wiki'], ttl: '1h' }, authority)).toEqual([]);
  });

  it.each([
    ['wildcard', { scopes: ['read:*'] }, 'scopes'],
    ['manage', { scopes: ['manage'], budgets: [{ amount: '1', per: 'day' }] }, 'scopes'],
    ['unbudgeted', { scopes: ['write:wiki'] }, 'budgets'],
    ['name', { name: 'asdf' }, 'name'],
    ['duplicate', { agentId: 'devops' }, 'agentId'],
    ['expiry', { ttl: 'never' }, 'ttl'],
  ] as const)('refuse where they are told to: %s', async (guard, change, path) => {
    const authority = createMemoryAuthority({ expiry: { required: false }, guards: { [guard]: 'refuse' } });
    await mint(authority, { ...request, agentId: 'devops' }, by);
    const refused = mint(authority, { ...request, ...change }, by);
    await expect(refused).rejects.toThrow(RequestProblems);
    await expect(refused).rejects.toThrow(new RegExp(`^${path}: .*keys\\.guards\\.${guard}`));
    expect(authority.records.size).toBe(1);
  });
});
