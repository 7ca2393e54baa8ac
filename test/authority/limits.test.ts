import { describe, expect, it } from 'vitest';
import { mint } from '../../src/authority/mint.ts';
import { patch } from '../../src/authority/patch.ts';
import { viewKey } from '../../src/authority/view.ts';
import type { KeyRecord } from '../../src/domain/key.ts';
import { createMemoryAuthority, type MemoryAuthority } from '../support/memory-authority.ts';

const by = { via: 'api' } as const;
const base = { name: 'night reader', scopes: ['read:wiki'], ttl: '1d' };

function stored(authority: MemoryAuthority, id: string): KeyRecord {
  const record = authority.records.get(id);
  if (!record) throw new Error('no such key');
  return record;
}

describe('budgets and caps for a tool, and soft ones', () => {
  const budgets = [
    { amount: '5.00', per: 'day' },
    { amount: '4', per: 'day', soft: true },
    { amount: '1', per: 'day', tool: 'get_*' },
    { amount: '2', per: 'day', tool: 'write_page', soft: false },
  ] as const;
  const caps = [{ calls: 9, per: 'hour', tool: 'get_page', soft: true }] as const;

  it('are kept as they were said, and nothing that was not', async () => {
    const authority = createMemoryAuthority();
    const { record } = await mint(authority, { ...base, budgets: [...budgets], caps: [...caps] }, by);
    const kept = stored(authority, record.id);
    expect(kept.budgets).toStrictEqual([
      { amount: 5_000_000, per: 'day', zone: 'UTC' },
      { amount: 4_000_000, per: 'day', zone: 'UTC', soft: true },
      { amount: 1_000_000, per: 'day', zone: 'UTC', tool: 'get_*' },
      { amount: 2_000_000, per: 'day', zone: 'UTC', tool: 'write_page' },
    ]);
    expect(kept.caps).toStrictEqual([{ calls: 9, per: 'hour', zone: 'UTC', tool: 'get_page', soft: true }]);
    expect(viewKey(kept, 0)).toMatchObject({
      budgets: [{ tool: null, soft: false }, { soft: true }, { tool: 'get_*' }, { tool: 'write_page', soft: false }],
      caps: [{ calls: 9, tool: 'get_page', soft: true }],
    });
  });

  it('survive a change of something else', async () => {
    const authority = createMemoryAuthority();
    const { record } = await mint(authority, { ...base, budgets: [...budgets], caps: [...caps] }, by);
    const before = stored(authority, record.id);
    await patch(authority, record.id, { owner: 'Ada' }, by);
    expect(stored(authority, record.id)).toMatchObject({ budgets: before.budgets, caps: before.caps, owner: 'Ada' });
    await patch(authority, record.id, { caps: [{ calls: 3, per: 'hour', soft: true }] }, by);
    expect(stored(authority, record.id)).toMatchObject({ budgets: before.budgets, caps: [{ calls: 3, soft: true }] });
    expect(authority.texts.at(-1)).toContain('"caps":["3/hour@UTC:soft"]');
  });

  it.each([
    ['two soft ones over the same window', { budgets: [budgets[1], budgets[1]] }, 'budgets[1]'],
    ['two for the same tool', { budgets: [budgets[2], budgets[2]] }, 'budgets[1]'],
    ['a wildcard in the middle', { budgets: [{ ...budgets[2], tool: 'a*b' }] }, 'budgets[0].tool'],
    ['a tool without a name', { budgets: [{ ...budgets[2], tool: '' }] }, 'budgets[0].tool'],
    ['soft in words', { caps: [{ ...caps[0], soft: 'yes' }] }, 'caps[0].soft'],
  ])('refuse %s', async (_, limits, path) => {
    const refused = mint(createMemoryAuthority(), { ...base, ...limits }, by);
    await expect(refused).rejects.toMatchObject({ problems: [{ path }] });
  });
});

describe('the guard against keys without a budget', () => {
  const writer = { ...base, scopes: ['write:wiki'] };
  const day = { amount: '5', per: 'day' } as const;

  it.each([
    ['a hard budget', { budgets: [day] }, []],
    ['a soft budget alone', { budgets: [{ ...day, soft: true }] }, ['unbudgeted']],
    ['a budget for some tools', { budgets: [{ ...day, tool: 'get_*' }] }, ['unbudgeted']],
    ['a budget for all tools that it may call', { tools: ['get_page', 'get_l*'], budgets: [{ ...day, tool: 'get_*' }] }, []],
    ['a budget for one of two tools', { tools: ['get_page', 'write'], budgets: [{ ...day, tool: 'get_*' }] }, ['unbudgeted']],
    [
      'one for each',
      {
        tools: ['get_page', 'write'],
        budgets: [
          { ...day, tool: 'get_*' },
          { ...day, tool: 'write' },
        ],
      },
      [],
    ],
  ])('with %s: %j', async (_, terms, guards) => {
    const minted = await mint(createMemoryAuthority(), { ...writer, ...terms }, by);
    expect(minted.guards).toEqual(guards);
  });
});
