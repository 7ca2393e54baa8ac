import { describe, expect, it } from 'vitest';
import { createAccount } from '../../src/authority/accounts.ts';
import { bulkRevoke } from '../../src/authority/bulk-revoke.ts';
import { type Act, actorOf, permits, type Target } from '../../src/authority/confine.ts';
import { reportLeak } from '../../src/authority/leak.ts';
import { findKey, listKeys } from '../../src/authority/list.ts';
import { mint } from '../../src/authority/mint.ts';
import { patch } from '../../src/authority/patch.ts';
import { NotFound, RequestProblems } from '../../src/authority/problems.ts';
import { reissue } from '../../src/authority/reissue.ts';
import { remove } from '../../src/authority/remove.ts';
import { revoke } from '../../src/authority/revoke.ts';
import { rotate } from '../../src/authority/rotate.ts';
import { keyUsage, listUsage } from '../../src/authority/usage.ts';
import type { KeyRecord } from '../../src/domain/key.ts';
import { compileScopes, covers } from '../../src/domain/scope.ts';
import { createMemoryAuthority } from '../support/memory-authority.ts';

const by = { via: 'cli' } as const;
const confined = { via: 'api', keyId: 'Oper1234', orgId: 'acme' } as const;

function acting(members: Partial<KeyRecord>, accessToken?: { id: string; expiresAt: number }) {
  const key = { id: 'Self1234', kind: 'agent', scopes: [], parentIds: [], ...members } as unknown as KeyRecord;
  const set = compileScopes(key.scopes, { hierarchy: ['read', 'trade', 'manage'] });
  return { key, grants: (scope: string) => covers(set, scope), ...(accessToken === undefined ? {} : { accessToken }) };
}

const operator = acting({ kind: 'operator', scopes: ['manage', 'admin'] });
const reader = acting({ kind: 'operator', scopes: ['read'] });
const ofAcme = acting({ kind: 'operator', scopes: ['manage'], orgId: 'acme' });
const agent = acting({ scopes: ['manage'], orgId: 'acme', agentId: 'devops', parentIds: ['Above123'] });
const weak = acting({ scopes: ['read', 'trade'], orgId: 'acme', agentId: 'devops' });
const unbound = acting({ scopes: ['manage'] });
const bot = acting({ kind: 'bot', scopes: ['manage'], botId: 'ops' });
const token = acting({ scopes: ['manage'], orgId: 'acme', agentId: 'devops' }, { id: 'jti', expiresAt: 1 });

const own: Target = { id: 'Othr1234', kind: 'agent', orgId: 'acme', agentId: 'devops' };

describe('permits', () => {
  const rows: [string, Parameters<typeof permits>[0], Act, Target | undefined, string | undefined][] = [
    ['an operator anything', operator, 'keys.delete', { id: 'x', orgId: 'other' }, undefined],
    ['an operator accounts', operator, 'gateway.change', undefined, undefined],
    ['a reading operator lists', reader, 'keys.read', undefined, undefined],
    ['a reading operator no mint', reader, 'keys.mint', {}, 'INSUFFICIENT_SCOPE'],
    ['a reading operator no account', reader, 'gateway.change', undefined, 'INSUFFICIENT_SCOPE'],
    ['a confined operator its own', ofAcme, 'keys.revoke', { id: 'x', orgId: 'acme' }, undefined],
    ['a confined operator lists, which are confined', ofAcme, 'keys.read', undefined, undefined],
    ['a confined operator no others', ofAcme, 'keys.revoke', { id: 'x', orgId: 'other' }, 'INSUFFICIENT_SCOPE'],
    ['a confined operator no key of nobody', ofAcme, 'keys.read', { id: 'x' }, 'INSUFFICIENT_SCOPE'],
    ['a confined operator a mint that names none', ofAcme, 'keys.mint', {}, undefined],
    ['a confined operator no mint elsewhere', ofAcme, 'keys.mint', { orgId: 'other' }, 'INSUFFICIENT_SCOPE'],
    ['a confined operator no account', ofAcme, 'gateway.change', undefined, 'INSUFFICIENT_SCOPE'],
    ['a confined operator no chain', ofAcme, 'gateway.read', undefined, 'INSUFFICIENT_SCOPE'],
    ['a person unconfined', {}, 'gateway.change', undefined, undefined],
    ['a person confined', { orgId: 'acme' }, 'keys.read', { id: 'x', orgId: 'other' }, 'INSUFFICIENT_SCOPE'],
    ['an agent its own keys', agent, 'keys.revoke', own, undefined],
    ['an agent itself', agent, 'keys.rotate', { id: 'Self1234' }, undefined],
    ['an agent a mint for itself', agent, 'keys.mint', { orgId: 'acme' }, undefined],
    ['an agent no key of another agent', agent, 'keys.revoke', { ...own, agentId: 'payroll' }, 'INSUFFICIENT_SCOPE'],
    ['an agent no key of the same agent elsewhere', agent, 'keys.revoke', { ...own, orgId: 'other' }, 'INSUFFICIENT_SCOPE'],
    ['an agent no operator', agent, 'keys.rotate', { ...own, kind: 'operator' }, 'INSUFFICIENT_SCOPE'],
    ['an agent not what it descends from', agent, 'keys.rotate', { ...own, id: 'Above123' }, 'INSUFFICIENT_SCOPE'],
    ['an agent no list', agent, 'keys.read', undefined, 'WRONG_KEY_KIND'],
    ['an agent no change', agent, 'keys.patch', own, 'WRONG_KEY_KIND'],
    ['an agent no deletion', agent, 'keys.delete', own, 'WRONG_KEY_KIND'],
    ['an agent no account', agent, 'gateway.change', undefined, 'WRONG_KEY_KIND'],
    ['a lesser key nothing', weak, 'keys.rotate', own, 'INSUFFICIENT_SCOPE'],
    ['a lesser key not even itself', weak, 'keys.rotate', { id: 'Self1234' }, 'INSUFFICIENT_SCOPE'],
    ['any key its own children', weak, 'keys.child', { id: 'Self1234' }, undefined],
    ["no key another's children", agent, 'keys.child', own, 'INSUFFICIENT_SCOPE'],
    ['any key a leak', weak, 'leaks.report', undefined, undefined],
    ['a key of no agent nobody', unbound, 'keys.revoke', { id: 'x', kind: 'agent' }, 'INSUFFICIENT_SCOPE'],
    ['a bot its own', bot, 'keys.revoke', { id: 'x', kind: 'bot', botId: 'ops' }, undefined],
    ['a bot no other', bot, 'keys.revoke', { id: 'x', kind: 'bot', botId: 'web' }, 'INSUFFICIENT_SCOPE'],
    ['an access token no child', token, 'keys.child', { id: 'Self1234' }, 'WRONG_KEY_KIND'],
    ['an access token no mint', token, 'keys.mint', {}, 'WRONG_KEY_KIND'],
    ['an access token a revocation', token, 'keys.revoke', own, undefined],
  ];
  it.each(rows)('%s', (_what, who, act, target, reason) => {
    expect(permits(who, act, target)).toBe(reason);
  });

  it('an actor carries its key and its organisation', () => {
    expect(actorOf(ofAcme)).toEqual({ via: 'api', keyId: 'Self1234', orgId: 'acme' });
    expect(actorOf({ orgId: 'acme' })).toEqual({ via: 'api', orgId: 'acme' });
    expect(actorOf({})).toEqual({ via: 'api' });
  });
});

describe('an operator confined to an organisation', () => {
  const twoOrgs = async () => {
    const authority = createMemoryAuthority();
    const inside = (await mint(authority, { name: 'inside', scopes: ['read'], orgId: 'acme' }, by)).record;
    const outside = (await mint(authority, { name: 'outside', scopes: ['read'], orgId: 'other' }, by)).record;
    return { authority, inside, outside };
  };

  it('sees its own keys alone', async () => {
    const { authority, inside, outside } = await twoOrgs();
    expect((await listKeys(authority, { filter: {} }, confined)).data.map(({ id }) => id)).toEqual([inside.id]);
    expect((await listUsage(authority, { filter: {} }, confined)).data.map(({ id }) => id)).toEqual([inside.id]);
    expect(await listKeys(authority, { filter: { orgId: 'other' } }, confined)).toEqual({ data: [], nextCursor: null });
    expect((await findKey(authority, inside.id, confined)).id).toBe(inside.id);
    await expect(findKey(authority, outside.id, confined)).rejects.toThrow(NotFound);
    await expect(keyUsage(authority, outside.id, confined)).rejects.toThrow(NotFound);
  });

  it('touches its own keys alone', async () => {
    const { authority, outside } = await twoOrgs();
    const before = authority.records.get(outside.id);
    const acts = [
      () => patch(authority, outside.id, { name: 'mine now' }, confined),
      () => rotate(authority, outside.id, {}, confined),
      () => revoke(authority, outside.id, { by: confined }),
      () => reissue(authority, outside.id, {}, confined),
      () => remove(authority, outside.id, { by: confined }),
    ];
    for (const act of acts) await expect(act()).rejects.toThrow(NotFound);
    expect((await bulkRevoke(authority, { orgId: 'other' }, { by: confined })).revoked).toEqual([]);
    expect(await reportLeak(authority, { id: outside.id }, confined)).toEqual({ received: true });
    expect(authority.records.get(outside.id)).toBe(before);
    expect((await bulkRevoke(authority, { kind: 'agent' }, { by: confined })).revoked).toHaveLength(1);
  });

  it('mints into its own organisation alone', async () => {
    const { authority, outside } = await twoOrgs();
    expect((await mint(authority, { name: 'reader', scopes: ['read'] }, confined)).record.orgId).toBe('acme');
    const elsewhere = [{ orgId: 'other' }, { scopes: ['org:other'] }, { parentId: outside.id }];
    for (const change of elsewhere) {
      await expect(mint(authority, { name: 'reader', scopes: ['read'], ...change }, confined)).rejects.toThrow(RequestProblems);
    }
  });

  it('spends no account that its organisation does not use', async () => {
    const { authority } = await twoOrgs();
    await createAccount(authority, 'shared', by);
    const request = { name: 'spender', scopes: ['read'], accountId: 'shared' };
    await expect(mint(authority, request, confined)).rejects.toThrow(/accountId/);
    await mint(authority, { ...request, orgId: 'acme' }, by);
    expect((await mint(authority, request, confined)).record.accountId).toBe('shared');
  });
});

describe('a key that mints on its own authority', () => {
  const withHolder = async (change: object) => {
    const authority = createMemoryAuthority();
    const request = { name: 'agent lead', scopes: ['manage', 'trade:wiki'], orgId: 'acme', agentId: 'devops', ...change };
    const holder = authority.records.get((await mint(authority, request, by)).record.id);
    if (holder === undefined) throw new Error('no holder');
    return { authority, holder };
  };

  it('is never exceeded by what it mints', async () => {
    const { authority, holder } = await withHolder({ upstreams: ['wiki'], ttl: '5d' });
    const actor = { via: 'api', keyId: holder.id } as const;
    const { record } = await mint(authority, { name: 'second hand', scopes: ['trade:wiki'] }, actor, { holder });
    expect(record).toMatchObject({ parentIds: [], orgId: 'acme', agentId: 'devops', upstreams: ['wiki'] });
    expect(record.expiresAt).toBe(new Date(holder.expiresAt ?? 0).toISOString());
    for (const change of [{ scopes: ['write:wiki'] }, { upstreams: [] }, { agentId: 'payroll' }, { kind: 'operator' }, { ttl: '6d' }]) {
      await expect(mint(authority, { name: 'second hand', ...change }, actor, { holder })).rejects.toThrow(RequestProblems);
    }
  });

  it('with limits that are counted may only mint children, so that they are not counted anew', async () => {
    for (const limits of [
      { budgets: [{ amount: '5', per: 'day' }] },
      { caps: [{ calls: 5, per: 'day' }] },
      { maxUses: 5 },
      { rate: { calls: 5, perSeconds: 1 } },
    ]) {
      const { authority, holder } = await withHolder(limits);
      const actor = { via: 'api', keyId: holder.id } as const;
      await expect(mint(authority, { name: 'second hand' }, actor, { holder })).rejects.toThrow(/parentId/);
      const { record } = await mint(authority, { name: 'a child', parentId: holder.id }, actor, { holder });
      expect(record.parentIds).toEqual([holder.id]);
      const stranger = await mint(authority, { name: 'stranger', scopes: ['manage', 'trade:wiki'], orgId: 'acme', agentId: 'devops' }, by);
      await expect(mint(authority, { name: 'a child', parentId: stranger.record.id }, actor, { holder })).rejects.toThrow(/parentId/);
    }
  });
});
