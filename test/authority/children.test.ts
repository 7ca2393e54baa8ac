import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createAccount } from '../../src/authority/accounts.ts';
import { mint, mintChild } from '../../src/authority/mint.ts';
import { patch } from '../../src/authority/patch.ts';
import { NotFound, RequestProblems } from '../../src/authority/problems.ts';
import { revoke } from '../../src/authority/revoke.ts';
import { showKey } from '../../src/authority/show.ts';
import { wideningOf } from '../../src/domain/narrow.ts';
import { createMemoryAuthority, type MemoryAuthority, startMs } from '../support/memory-authority.ts';

const by = { via: 'cli' } as const;
const parentRequest = {
  name: 'research desk',
  orgId: 'acme',
  agentId: 'devops',
  scopes: ['trade:wiki', 'read:kb'],
  upstreams: ['wiki'],
  tools: ['get_*', 'list_*'],
  addresses: ['10.0.0.0/8'],
  budgets: [{ amount: '5', per: 'day' }],
  ttl: '10d',
} as const;

async function withParent(change: object = {}) {
  const authority = createMemoryAuthority();
  const { record } = await mint(authority, { ...parentRequest, ...change }, by);
  return { authority, parent: record };
}

async function problemsOf(authority: MemoryAuthority, parentId: string, request: object): Promise<string[]> {
  const before = authority.records.size;
  try {
    await mintChild(authority, parentId, { name: 'child', ...request }, by);
  } catch (error) {
    if (!(error instanceof RequestProblems)) throw error;
    expect(authority.records.size).toBe(before);
    return error.problems.map(({ path }) => path);
  }
  return [];
}

describe('a child', () => {
  it('has from its parent what its request leaves out', async () => {
    const { authority, parent } = await withParent();
    const { record } = await mintChild(authority, parent.id, { name: 'page reader' }, by);
    expect(record).toMatchObject({
      parentIds: [parent.id],
      ...{ orgId: 'acme', agentId: 'devops', kind: 'agent', environment: 'live' },
      scopes: ['trade:wiki', 'read:kb'],
      upstreams: ['wiki'],
      tools: ['get_*', 'list_*'],
      addresses: ['10.0.0.0/8'],
      budgets: [],
      expiresAt: parent.expiresAt,
    });
    expect((await showKey(authority, parent.id)).childIds).toEqual([record.id]);
    const permitted = await mintChild(authority, parent.id, { name: 'kb reader', permissions: { read: ['kb'] } }, by);
    expect(permitted.record.scopes).toEqual(['read:kb']);
  });

  it('has the default lifetime where its parent lives longer', async () => {
    const { authority, parent } = await withParent({ ttl: '300d' });
    const { record } = await mintChild(authority, parent.id, { name: 'page reader' }, by);
    expect(record.expiresAt).toBe(new Date(startMs + 90 * 86_400_000).toISOString());
  });

  it('names every ancestor, from the parent up', async () => {
    const { authority, parent } = await withParent();
    const child = await mint(authority, { name: 'child', parentId: parent.id }, by);
    const grandchild = await mint(authority, { name: 'grandchild', parentId: child.record.id }, by);
    expect(grandchild.record.parentIds).toEqual([child.record.id, parent.id]);
  });

  it.each([
    ['a scope more', { scopes: ['read:kb', 'manage:wiki'] }, ['scopes[1]']],
    ['every upstream', { upstreams: [] }, ['upstreams']],
    ['every tool', { tools: ['*'] }, ['tools[0]']],
    ['another address', { addresses: ['192.0.2.1'] }, ['addresses[0]']],
    ['a longer life', { ttl: '11d' }, ['ttl']],
    ['a longer life in days', { expires_days: 11 }, ['expires_days']],
    ['another organisation and agent', { orgId: 'other', agentId: 'payroll' }, ['orgId', 'agentId']],
    ['the test environment', { environment: 'test', upstreams: ['wiki'] }, ['upstreams[0]', 'environment']],
    ['another kind', { kind: 'operator' }, ['kind']],
    ['a larger budget', { budgets: [{ amount: '5.000001', per: 'day' }] }, ['budgets[0]']],
    ['two faults in different members', { tools: [], scopes: ['write:wiki'] }, ['scopes[0]', 'tools']],
    ['a parent elsewhere', { parentId: 'AbCd1234' }, ['parentId']],
  ])('I7: cannot have %s', async (_what, request, paths) => {
    const { authority, parent } = await withParent();
    expect((await problemsOf(authority, parent.id, request)).sort()).toEqual([...paths].sort());
  });

  it('cannot leave the ledger root of its parent by naming an account', async () => {
    const { authority, parent } = await withParent();
    await createAccount(authority, 'rich', by);
    expect(await problemsOf(authority, parent.id, { accountId: 'rich' })).toEqual(['accountId']);
  });

  it('is held to every ancestor as it is now, not only to its parent', async () => {
    const { authority, parent } = await withParent();
    const child = (await mintChild(authority, parent.id, { name: 'child' }, by)).record;
    await patch(authority, parent.id, { scopes: ['read:kb'] }, by);
    expect(await problemsOf(authority, child.id, { scopes: ['trade:wiki'] })).toEqual(['scopes[0]']);
    expect(await problemsOf(authority, child.id, { scopes: ['read:kb'] })).toEqual([]);
  });

  it('needs a parent that is alive, may have children, and is not too deep', async () => {
    const { authority, parent } = await withParent();
    let id = parent.id;
    for (let depth = 1; depth <= 3; depth += 1) id = (await mintChild(authority, id, { name: `depth ${depth}` }, by)).record.id;
    expect(await problemsOf(authority, id, {})).toEqual(['parentId']);

    const childless = await mint(authority, { name: 'childless', scopes: ['read'], children: false }, by);
    expect(childless.record.children).toBe(false);
    expect(await problemsOf(authority, childless.record.id, {})).toEqual(['parentId']);

    const late = authority.records.get(id)?.parentIds[0] ?? '';
    await revoke(authority, parent.id, { by });
    expect(await problemsOf(authority, late, {})).toEqual(['parentId']);
    await expect(mintChild(authority, 'AAAAAAAA', { name: 'child' }, by)).rejects.toThrow(NotFound);
    await expect(mint(authority, { name: 'child', parentId: 'AAAAAAAA' }, by)).rejects.toThrow(RequestProblems);
  });

  it('may be many: no second child is warned about', async () => {
    const { authority, parent } = await withParent();
    await mintChild(authority, parent.id, { name: 'first child' }, by);
    expect((await mintChild(authority, parent.id, { name: 'second child' }, by)).guards).toEqual([]);
  });
});

describe('I7: escape attempts at mint', () => {
  const list = <Value>(...values: Value[]) => fc.option(fc.uniqueArray(fc.constantFrom(...values), { maxLength: 2 }), { nil: undefined });
  const members = fc.record(
    {
      scopes: list(
        'read',
        'read:kb',
        'trade:wiki',
        'trade:wiki:page',
        'manage',
        '*',
        'read:*',
        'org:acme',
        'org:other',
        'agent:payroll',
        'svc:kb:read',
      ),
      upstreams: list('wiki', 'sandbox'),
      tools: list('*', 'get_*', 'get_page', 'g*', 'list_*x', '**'),
      addresses: list('10.0.0.0/8', '10.1.0.0/16', '0.0.0.0/0', '10.0.0.0/7', '::/0'),
      ttl: fc.constantFrom('1m', '10d', '11d', 'never', undefined),
      expires_days: fc.constantFrom(undefined, undefined, 9, 10, 12),
      orgId: fc.constantFrom(undefined, 'acme', 'other'),
      agentId: fc.constantFrom(undefined, 'devops', 'payroll'),
      kind: fc.constantFrom(undefined, 'agent', 'operator'),
      environment: fc.constantFrom(undefined, 'live', 'test'),
      budgets: fc.constantFrom(
        undefined,
        [],
        [{ amount: '4', per: 'day' }],
        [{ amount: '6', per: 'day' }],
        [{ amount: '600', per: 'week' }],
      ),
      permissions: fc.constantFrom(undefined, { read: ['kb'] }, { manage: ['wiki'] }),
    },
    { requiredKeys: [] },
  );
  /** Few members at a time, so that many attempts come through. */
  const request = fc
    .tuple(
      members,
      fc.uniqueArray(fc.constantFrom('scopes', 'upstreams', 'tools', 'addresses', 'ttl', 'budgets', 'permissions', 'any'), {
        maxLength: 3,
      }),
    )
    .map(([all, taken]) =>
      taken.includes('any') ? all : Object.fromEntries(Object.entries(all).filter(([name]) => taken.some((each) => each === name))),
    );

  it('whatever is minted is within its parent and every ancestor', async () => {
    let minted = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 3 }), async (requests) => {
        const { authority, parent } = await withParent();
        let above = [authority.records.get(parent.id)];
        for (const each of requests) {
          const [from] = above;
          const child = await mintChild(authority, from?.id ?? '', { name: 'some child', ...each }, by).catch((error: unknown) => {
            if (error instanceof RequestProblems) return undefined;
            throw error;
          });
          if (child === undefined) continue;
          minted += 1;
          const record = authority.records.get(child.record.id);
          if (record === undefined) throw new Error('a key was minted and not stored');
          for (const ancestor of above) expect(ancestor && wideningOf(record, ancestor, authority.scopes)).toEqual([]);
          expect(record.parentIds).toEqual(above.map((ancestor) => ancestor?.id));
          above = [record, ...above];
        }
      }),
      { numRuns: 300 },
    );
    expect(minted).toBeGreaterThan(60);
  });
});
