import { describe, expect, it } from 'vitest';
import { adjustAccount, createAccount, limitAccount, showAccount } from '../../src/authority/accounts.ts';
import type { Authority } from '../../src/authority/authority.ts';
import { Conflict, NotFound, RequestProblems } from '../../src/authority/problems.ts';
import type { RecordFacts } from '../../src/domain/record.ts';
import { type Account, type Ledger, LedgerConflict } from '../../src/ports/ledger.ts';
import { createMemoryAuthority } from '../support/memory-authority.ts';

const by = { via: 'api', keyId: 'AbCd1234' } as const;

/** An authority whose ledger keeps accounts and what it was told to write. */
function world() {
  const accounts = new Map<string, Account>();
  const facts: RecordFacts[] = [];
  const put = (account: Account, by: RecordFacts): Account => {
    accounts.set(account.id, account);
    facts.push(by);
    return account;
  };
  const ledger: Partial<Ledger> = {
    account: async (id) => accounts.get(id),
    createAccount: async ({ id, budgets = [], caps = [], now, by }) =>
      put({ id, balance: 0, held: 0, createdAt: now, budgets, caps, revision: 1 }, by),
    async limitAccount({ id, budgets, caps, by }) {
      const account = accounts.get(id);
      if (!account) return undefined;
      return put({ ...account, ...(budgets && { budgets }), ...(caps && { caps }), revision: account.revision + 1 }, by);
    },
    async adjust({ accountId, amount, by }) {
      const account = accounts.get(accountId);
      if (!account) throw new Error('no such account');
      if (account.balance + amount < account.held) throw new LedgerConflict('Only 0 can be taken.');
      return { account: put({ ...account, balance: account.balance + amount }, by), replayed: false };
    },
  };
  return { authority: { ...createMemoryAuthority(), ledger } as Authority, facts };
}

const day = { amount: '50.00', per: 'day' } as const;

describe('limits of an account', () => {
  it('are given when it is opened, shown, and on record', async () => {
    const { authority, facts } = world();
    const limits = { budgets: [day, { ...day, amount: '40', soft: true }], caps: [{ calls: 10, per: 'hour', tool: 'get_*' }] } as const;
    const account = await createAccount(authority, 'acme', by, { budgets: [...limits.budgets], caps: [...limits.caps] });
    expect(account).toMatchObject({
      budgets: [
        { amount: '50', per: 'day', zone: 'UTC', tool: null, soft: false },
        { amount: '40', per: 'day', zone: 'UTC', tool: null, soft: true },
      ],
      caps: [{ calls: 10, per: 'hour', zone: 'UTC', tool: 'get_*', soft: false }],
    });
    expect(await showAccount(authority, 'acme')).toEqual(account);
    expect(facts).toEqual([
      {
        ...{ kind: 'account.created', account: 'acme', via: 'api', byKeyId: 'AbCd1234' },
        ...{ budgets: ['50/day@UTC', '40/day@UTC:soft'], caps: ['10/hour@UTC:tool=get_*'] },
      },
    ]);
  });

  it('are changed one list at a time', async () => {
    const { authority, facts } = world();
    await createAccount(authority, 'acme', by, { budgets: [day], caps: [{ calls: 10, per: 'hour' }] });
    const changed = await limitAccount(authority, { accountId: 'acme', limits: { budgets: [] }, by });
    expect(changed).toMatchObject({ budgets: [], caps: [{ calls: 10 }] });
    expect(facts.at(-1)).toEqual({ kind: 'account.limited', account: 'acme', via: 'api', byKeyId: 'AbCd1234', budgets: [] });
  });

  it.each([
    ['nothing', {}, ['']],
    ['what it does not know', { budget: [] }, ['budget']],
    ['two over the same window', { budgets: [day, day] }, ['budgets[1]']],
    [
      'two totals in different zones',
      { caps: [1, 2].map((calls) => ({ calls, per: 'total', zone: calls === 1 ? 'UTC' : 'Europe/Berlin' })) },
      ['caps[1]'],
    ],
    ['a wildcard in the middle', { caps: [{ calls: 1, per: 'day', tool: 'a*b' }] }, ['caps[0].tool']],
    ['a number for money', { budgets: [{ ...day, amount: 5 }] }, ['budgets[0].amount']],
  ])('refuse %s', async (_, limits, paths) => {
    const { authority, facts } = world();
    await createAccount(authority, 'acme', by);
    const refused = limitAccount(authority, { accountId: 'acme', limits: limits as never, by });
    await expect(refused).rejects.toMatchObject({ name: 'RequestProblems', problems: paths.map((path) => ({ path })) });
    expect(facts.length).toBe(1);
  });

  it('are of an account that exists', async () => {
    const { authority } = world();
    for (const accountId of ['nobody', 'a b', '']) {
      await expect(limitAccount(authority, { accountId, limits: { caps: [] }, by })).rejects.toThrow(NotFound);
    }
  });
});

describe('adjustments', () => {
  const adjust = (authority: Authority, amount: string, more: { reference?: string; reason?: string; accountId?: string } = {}) =>
    adjustAccount(authority, { accountId: 'acme', amount, reference: 'c-1', reason: 'charged twice', by, ...more });

  it('go up and down, with their reason on record', async () => {
    const { authority, facts } = world();
    await createAccount(authority, 'acme', by);
    expect(await adjust(authority, '2.50')).toMatchObject({ replayed: false, account: { balance: '2.5' } });
    expect(await adjust(authority, '-0.000001', { reference: 'c-2' })).toMatchObject({ account: { balance: '2.499999' } });
    expect(facts.at(-1)).toEqual({
      ...{ kind: 'account.adjusted', account: 'acme', via: 'api', byKeyId: 'AbCd1234' },
      ...{ amount: '-0.000001', reference: 'c-2', reason: 'charged twice' },
    });
  });

  it.each(['', '0', '-0', '-0.000000', '+1', '--1', '1e3', '1.0000001', 'NaN', '1000000001', '-1000000001', '- 1', '1-', '٣'])(
    'refuse %j as an amount',
    async (amount) => {
      const { authority, facts } = world();
      await createAccount(authority, 'acme', by);
      await expect(adjust(authority, amount)).rejects.toThrow(RequestProblems);
      expect(facts.length).toBe(1);
    },
  );

  it('need a reference, a reason and an account, and what is to be taken', async () => {
    const { authority } = world();
    await createAccount(authority, 'acme', by);
    for (const more of [{ reference: '' }, { reason: '' }, { reason: 'x'.repeat(201) }, { reason: 'a\nb' }]) {
      await expect(adjust(authority, '1', more)).rejects.toThrow(RequestProblems);
    }
    await expect(adjust(authority, '1', { accountId: 'nobody' })).rejects.toThrow(NotFound);
    await expect(adjust(authority, '-1')).rejects.toThrow(Conflict);
  });
});
