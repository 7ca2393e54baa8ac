import { describe, expect, it } from 'vitest';
import { createAccount, creditAccount, showAccount } from '../../src/authority/accounts.ts';
import { initialise, mintFirstOperator } from '../../src/authority/init.ts';
import { findKey, listKeys } from '../../src/authority/list.ts';
import { mint } from '../../src/authority/mint.ts';
import { Conflict, NotFound, RequestProblems } from '../../src/authority/problems.ts';
import { revoke } from '../../src/authority/revoke.ts';
import { keyUsage, listUsage } from '../../src/authority/usage.ts';
import { createMemoryAuthority, startMs } from '../support/memory-authority.ts';

const by = { via: 'cli' } as const;

async function withKeys(count: number) {
  const authority = createMemoryAuthority();
  for (let at = 0; at < count; at += 1) await mint(authority, { name: `key ${at}`, scopes: ['read'], orgId: at % 2 ? 'odd' : 'even' }, by);
  return authority;
}

describe('revoke', () => {
  it('is final, and the first reason stands', async () => {
    const authority = await withKeys(1);
    const [id = ''] = authority.records.keys();
    const first = await revoke(authority, id, { reason: 'leaked', by });
    expect(first).toMatchObject({ already: false, record: { status: 'revoked', revokedReason: 'leaked', revision: 2 } });
    const again = await revoke(authority, id, { reason: 'other', by });
    expect(again).toMatchObject({ already: true, record: { revokedReason: 'leaked', revision: 2 } });
  });

  it('refuses unknown keys and reasons that could forge a line', async () => {
    const authority = await withKeys(1);
    const [id = ''] = authority.records.keys();
    await expect(revoke(authority, 'AAAAAAAA', { by })).rejects.toThrow(NotFound);
    await expect(revoke(authority, id, { reason: 'a\nb', by })).rejects.toThrow(RequestProblems);
    expect(authority.records.get(id)?.revokedAt).toBeUndefined();
  });
});

describe('lists', () => {
  it('come in pages that together hold every key once', async () => {
    const authority = await withKeys(7);
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await listKeys(authority, { filter: {}, limit: 3, cursor });
      seen.push(...page.data.map((key) => key.id));
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
    expect(seen).toEqual([...authority.records.keys()].sort());
  });

  it('narrow, and refuse pages that make no sense', async () => {
    const authority = await withKeys(5);
    expect((await listKeys(authority, { filter: { orgId: 'odd' } })).data.map((key) => key.orgId)).toEqual(['odd', 'odd']);
    for (const limit of [0, -1, 501, 1.5, Number.NaN])
      await expect(listKeys(authority, { filter: {}, limit })).rejects.toThrow(RequestProblems);
    await expect(listKeys(authority, { filter: {}, cursor: '../x' })).rejects.toThrow(RequestProblems);
  });

  it('I5: never repeat a key that was pasted for an id', async () => {
    const authority = createMemoryAuthority();
    const { key } = await mint(authority, { name: 'x', scopes: ['read'] }, by);
    let message = '';
    try {
      await findKey(authority, key);
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message).toContain('no key with this id');
    expect(message).not.toContain(key.slice(-49));
  });

  it('show expiry as it is judged on use', async () => {
    const authority = createMemoryAuthority();
    const { record } = await mint(authority, { name: 'x', scopes: ['read'], ttl: '1m' }, by);
    authority.advance(59_999);
    expect((await listKeys(authority, { filter: {} })).data[0]?.status).toBe('active');
    authority.advance(1);
    expect((await listKeys(authority, { filter: {} })).data[0]).toMatchObject({ id: record.id, status: 'expired' });
  });
});

describe('accounts', () => {
  it('are credited once per reference', async () => {
    const authority = createMemoryAuthority();
    expect(await createAccount(authority, 'acme', by)).toEqual({
      id: 'acme',
      balance: '0',
      held: '0',
      available: '0',
      ...{ budgets: [], caps: [] },
      createdAt: '2026-11-20T12:00:00.000Z',
    });
    const credit = async (amount: string, reference: string) =>
      await creditAccount(authority, { accountId: 'acme', amount, reference, by });
    expect(await credit('12.50', 'inv-1')).toMatchObject({ replayed: false, account: { balance: '12.5' } });
    expect(await credit('12.5', 'inv-1')).toMatchObject({ replayed: true, account: { balance: '12.5' } });
    await expect(credit('13', 'inv-1')).rejects.toThrow(Conflict);
    expect((await showAccount(authority, 'acme')).balance).toBe('12.5');
  });

  it('refuse what makes no sense', async () => {
    const authority = createMemoryAuthority();
    await createAccount(authority, 'acme', by);
    await expect(createAccount(authority, 'acme', by)).rejects.toThrow(Conflict);
    await expect(createAccount(authority, 'a b', by)).rejects.toThrow(RequestProblems);
    await expect(creditAccount(authority, { accountId: 'nobody', amount: '1', reference: 'r', by })).rejects.toThrow(NotFound);
    for (const amount of ['0', '-1', '1e3', '1.0000001', '', 'NaN', '1000000001']) {
      await expect(creditAccount(authority, { accountId: 'acme', amount, reference: 'r', by })).rejects.toThrow(RequestProblems);
    }
    await expect(creditAccount(authority, { accountId: 'acme', amount: '1', reference: '', by })).rejects.toThrow(RequestProblems);
    await expect(showAccount(authority, 'nobody')).rejects.toThrow(NotFound);
  });
});

describe('usage', () => {
  it('states money as decimal strings, calls as numbers, and what is left', async () => {
    const authority = createMemoryAuthority();
    const { record } = await mint(authority, { name: 'x', scopes: ['read'] }, by);
    authority.usageLines = [
      { limitName: 'key:x budget day', unit: 'micros', limit: 5_000_000, spent: 1_250_000, held: 50_000, resetAt: startMs },
      { limitName: 'key:x cap total', unit: 'calls', limit: 10, spent: 12, held: 0 },
    ];
    expect((await keyUsage(authority, record.id)).limits).toEqual([
      {
        name: 'key:x budget day',
        unit: 'money',
        limit: '5',
        spent: '1.25',
        held: '0.05',
        remaining: '3.7',
        ...{ percent: 25, soft: false },
        resetAt: '2026-11-20T12:00:00.000Z',
      },
      { name: 'key:x cap total', unit: 'calls', limit: 10, spent: 12, held: 0, remaining: 0, percent: 120, soft: false, resetAt: null },
    ]);
    expect((await listUsage(authority, { filter: {} })).data).toEqual([await keyUsage(authority, record.id)]);
  });
});

describe('the first operator', () => {
  it('is minted where no operator lives', async () => {
    const authority = createMemoryAuthority();
    const first = await mintFirstOperator(authority, { via: 'init' });
    expect(first?.record).toMatchObject({ kind: 'operator', name: 'first operator', scopes: ['manage', 'admin'] });
    expect(await mintFirstOperator(authority, { via: 'init' })).toBeUndefined();
    authority.advance(91 * 86_400_000);
    expect(await mintFirstOperator(authority, { via: 'init' })).toBeDefined();
  });

  it('waits until the secrets exist, and the store is closed whatever happens', async () => {
    const authority = createMemoryAuthority();
    let closed = 0;
    const open = async () => ({
      authority: { ...authority, keys: { ...authority.keys, peppers: [] } },
      close: async () => {
        closed += 1;
      },
    });
    await expect(initialise({ paths: {}, random: authority.random, open })).rejects.toThrow('no pepper');
    expect(closed).toBe(1);
  });
});
