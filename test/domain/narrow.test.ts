import { BlockList } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileGlob } from '../../src/domain/glob.ts';
import type { Micros } from '../../src/domain/money.ts';
import { type Grant, patternContains, wideningOf } from '../../src/domain/narrow.ts';
import { compileScopes, covers } from '../../src/domain/scope.ts';

const order = { hierarchy: ['read', 'trade', 'manage'] };
const parent: Grant = {
  kind: 'agent',
  environment: 'live',
  orgId: 'acme',
  agentId: 'devops',
  scopes: ['trade:wiki', 'read:kb:*', 'org:acme'],
  upstreams: ['wiki', 'kb'],
  tools: ['get_*', 'list_pages'],
  addresses: ['10.0.0.0/8', '2001:db8::/32'],
  budgets: [{ amount: 5_000_000 as Micros, per: 'day', zone: 'UTC' }],
  caps: [{ calls: 100, per: 'hour', zone: 'UTC', tool: 'get_*' }],
  rate: { calls: 10, perSeconds: 1 },
  maxUses: 50,
  expiresAt: 1_000,
};

describe('wideningOf', () => {
  const pathsOf = (change: Partial<Record<keyof Grant, unknown>>, above: Grant = parent): string[] =>
    wideningOf({ ...parent, ...change } as Grant, above, order).map(({ path }) => path);

  it('finds nothing wider in the same grant, nor in a narrower one', () => {
    expect(pathsOf({})).toEqual([]);
    expect(
      pathsOf({
        scopes: ['read:wiki:page', 'read:kb'],
        upstreams: ['wiki'],
        tools: ['get_page*', 'get_*_x'],
        addresses: ['10.1.0.0/16'],
        budgets: [{ amount: 1, per: 'day', zone: 'UTC' }],
        caps: [],
        rate: { calls: 5, perSeconds: 60 },
        maxUses: undefined,
        expiresAt: 999,
      }),
    ).toEqual([]);
  });

  it.each([
    ['another kind', { kind: 'operator' }, 'kind'],
    ['another environment', { environment: 'test' }, 'environment'],
    ['another organisation', { orgId: 'other' }, 'orgId'],
    ['no organisation', { orgId: undefined }, 'orgId'],
    ['another agent', { agentId: 'payroll' }, 'agentId'],
    ['no agent', { agentId: undefined }, 'agentId'],
    ['a bot', { botId: 'ops' }, 'botId'],
    ['an account, which would be another ledger root', { accountId: 'rich' }, 'accountId'],
    ['a stronger action', { scopes: ['manage:wiki'] }, 'scopes[0]'],
    ['the whole of an action', { scopes: ['read:wiki', 'read'] }, 'scopes[1]'],
    ['a wildcard', { scopes: ['*:wiki'] }, 'scopes[0]'],
    ['every upstream', { upstreams: [] }, 'upstreams'],
    ['another upstream', { upstreams: ['wiki', 'bank'] }, 'upstreams[1]'],
    ['every tool', { tools: [] }, 'tools'],
    ['a wider pattern', { tools: ['get*'] }, 'tools[0]'],
    ['a pattern that only overlaps', { tools: ['*_page'] }, 'tools[0]'],
    ['every address', { addresses: [] }, 'addresses'],
    ['a wider block', { addresses: ['10.0.0.0/7'] }, 'addresses[0]'],
    ['a larger budget', { budgets: [{ amount: 5_000_001, per: 'day', zone: 'UTC' }] }, 'budgets[0]'],
    ['a larger cap', { caps: [{ calls: 101, per: 'hour', zone: 'UTC', tool: 'get_*' }] }, 'caps[0]'],
    ['a faster rate', { rate: { calls: 10, perSeconds: 0.5 } }, 'rate'],
    ['a larger burst', { rate: { calls: 600, perSeconds: 60 } }, 'rate'],
    ['more uses', { maxUses: 51 }, 'maxUses'],
    ['a later end', { expiresAt: 1_001 }, 'expiresAt'],
    ['no end', { expiresAt: undefined }, 'expiresAt'],
  ])('finds %s', (_what, change, path) => {
    expect(pathsOf(change)).toEqual([path]);
  });

  it('compares limits over the same window and tool with those of the parent that refuse', () => {
    const day = { per: 'day', zone: 'UTC' } as const;
    const micros = (amount: number) => amount as Micros;
    const above = {
      ...parent,
      budgets: [
        { amount: micros(3), ...day, soft: true as const },
        { amount: micros(5), ...day },
        { amount: micros(2), ...day, tool: 'get_*' },
      ],
      caps: [{ calls: 7, ...day, soft: true as const }],
    };
    const budgets = (...list: object[]) => pathsOf({ budgets: list, caps: [] }, above);
    expect(budgets({ amount: 5, ...day }, { amount: 2, ...day, tool: 'get_*' }, { amount: 5, ...day, soft: true })).toEqual([]);
    expect(budgets({ amount: 6, ...day })).toEqual(['budgets[0]']);
    expect(budgets({ amount: 6, ...day, soft: true })).toEqual(['budgets[0]']);
    expect(budgets({ amount: 1, ...day }, { amount: 3, ...day, tool: 'get_*' })).toEqual(['budgets[1]']);
    // The parent's own limits apply to these beside the child's.
    expect(budgets({ amount: 9, ...day, tool: 'get_page' }, { amount: 9, ...day, zone: 'Europe/Berlin' })).toEqual([]);
    expect(pathsOf({ caps: [{ calls: 8, ...day }], budgets: [] }, above)).toEqual([]);
    const total = { ...parent, budgets: [{ amount: micros(5), per: 'total' as const, zone: 'UTC' }] };
    expect(pathsOf({ budgets: [{ amount: 6, per: 'total', zone: 'Europe/Berlin' }] }, total)).toEqual(['budgets[0]']);
  });

  it('holds a child to whom the parent acts for, where it says so', () => {
    expect(pathsOf({ onBehalfOf: 'ada' })).toEqual([]);
    expect(pathsOf({ onBehalfOf: 'eve' }, { ...parent, onBehalfOf: 'ada' })).toEqual(['onBehalfOf']);
    expect(pathsOf({}, { ...parent, onBehalfOf: 'ada' })).toEqual(['onBehalfOf']);
  });
});

describe('patternContains', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 6 });
  const name = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 7 });

  it('whatever the inner pattern matches, the outer one does', () => {
    fc.assert(
      fc.property(text, text, fc.array(name, { minLength: 20, maxLength: 20 }), (outer, inner, names) => {
        fc.pre(patternContains(outer, inner));
        for (const each of names) if (compileGlob(inner, 'name')(each)) expect(compileGlob(outer, 'name')(each)).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });

  it('is not refused where the one is inside the other', () => {
    for (const [outer, inner] of [
      ['*', 'get_*'],
      ['get_*', 'get_a*b*'],
      ['a*a', 'a*a*a'],
      ['get_page', 'get_page'],
    ] as const) {
      expect(patternContains(outer, inner)).toBe(true);
    }
    expect(patternContains('get_page', 'get_*')).toBe(false);
    expect(patternContains('a*a', 'a')).toBe(false);
  });
});

/** What a key admits, said a second time and in other words than the code under test. */
function admits(grant: Grant, ask: { scope: string; upstream: string; tool: string; address: string; at: number }): boolean {
  const list = new BlockList();
  for (const block of grant.addresses) {
    const [address = '', bits] = block.split('/');
    list.addSubnet(address, Number(bits), 'ipv4');
  }
  return (
    covers(compileScopes(grant.scopes, order), ask.scope) &&
    (grant.upstreams.length === 0 || grant.upstreams.includes(ask.upstream)) &&
    (grant.tools.length === 0 || grant.tools.some((pattern) => compileGlob(pattern, 'name')(ask.tool))) &&
    (grant.addresses.length === 0 || list.check(ask.address)) &&
    (grant.expiresAt === undefined || ask.at < grant.expiresAt)
  );
}

describe('I7: escape attempts', () => {
  const segment = fc.constantFrom('read', 'trade', 'manage', 'write', 'wiki', 'kb', '*');
  const scope = fc.array(segment, { minLength: 1, maxLength: 3 }).map((parts) => parts.join(':'));
  const svc = fc.tuple(segment, segment).map(([name, action]) => `svc:${name}:${action}`);
  const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '*'), minLength: 1, maxLength: 3 });
  const block = fc
    .tuple(fc.constantFrom('10.0.0.0', '10.0.0.1', '10.128.0.0', '11.0.0.0'), fc.constantFrom(0, 7, 8, 9, 31, 32))
    .map(([address, bits]) => `${address}/${bits}`);
  const terms = {
    scopes: fc.array(fc.oneof(scope, svc), { maxLength: 4 }),
    upstreams: fc.uniqueArray(fc.constantFrom('wiki', 'kb', 'bank'), { maxLength: 2 }),
    tools: fc.array(pattern, { maxLength: 3 }),
    addresses: fc.array(block, { maxLength: 3 }),
    expiresAt: fc.constantFrom(undefined, 10, 20, 30),
  };
  const base = { kind: 'agent', environment: 'live', budgets: [], caps: [] } as const;
  const grant = fc
    .record(terms)
    .map(({ expiresAt, ...rest }): Grant => ({ ...base, ...rest, ...(expiresAt === undefined ? {} : { expiresAt }) }));
  const ask = fc.record({
    scope: fc.oneof(scope, svc),
    upstream: fc.constantFrom('wiki', 'kb', 'bank'),
    tool: fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 4 }),
    address: fc.constantFrom('10.0.0.1', '10.0.0.2', '10.200.0.1', '11.0.0.0', '8.8.8.8'),
    at: fc.constantFrom(5, 10, 15, 25, 35),
  });
  /** Each member the parent's or one of its own, so that many attempts are within and many nearly so. */
  const attempt = fc
    .tuple(
      grant,
      grant,
      fc.record({ scopes: fc.boolean(), upstreams: fc.boolean(), tools: fc.boolean(), addresses: fc.boolean(), expiresAt: fc.boolean() }),
    )
    .map(([above, own, mine]) => {
      const taken = Object.fromEntries(
        Object.entries(mine).map(([name, isMine]) => [name, (isMine ? own : above)[name as keyof typeof mine]]),
      );
      return { above, child: { ...base, ...taken } as unknown as Grant };
    });

  it('whatever is accepted admits nothing that the parent would not', () => {
    let accepted = 0;
    fc.assert(
      fc.property(attempt, fc.array(ask, { minLength: 12, maxLength: 12 }), ({ above, child }, asks) => {
        if (wideningOf(child, above, order).length > 0) return;
        accepted += 1;
        for (const each of asks) if (admits(child, each)) expect(admits(above, each)).toBe(true);
      }),
      { numRuns: 1_500 },
    );
    // The property would hold for a judge that refuses everything.
    expect(accepted).toBeGreaterThan(150);
  });

  it('what is refused by name is wider by it, in scopes and upstreams at least', () => {
    fc.assert(
      fc.property(grant, grant, (above, child) => {
        const wider = wideningOf(child, above, order);
        for (const { path } of wider) {
          const upstream = /^upstreams\[(\d+)\]$/.exec(path)?.[1];
          if (upstream !== undefined) expect(above.upstreams).not.toContain(child.upstreams[Number(upstream)]);
        }
        if (child.scopes.every((each) => above.scopes.includes(each)))
          expect(wider.some(({ path }) => path.startsWith('scopes'))).toBe(false);
      }),
    );
  });
});
