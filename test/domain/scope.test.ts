import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileScopes, covers, isWithin, permissionsToScopes, scopeProblem, selectorsOf } from '../../src/domain/scope.ts';

const order = { hierarchy: ['read', 'trade', 'manage'] };
const granted = (...scopes: string[]) => compileScopes(scopes, order);

describe('scopeProblem', () => {
  it.each([
    'read',
    'read:wiki',
    'read:wiki:page.1_2-3',
    '*',
    'read:*',
    '*:wiki',
    'read:*:page',
    '0x',
    'svc:mcp:write',
    'svc:mcp:write:page',
    'svc:*:write',
    'org:acme',
    'agent:devops-7f3a',
    'agent:connect',
    'a:b:c:d:e:f:g:h',
    'a'.repeat(128),
  ])('takes %s', (scope) => {
    expect(scopeProblem(scope)).toBeUndefined();
  });

  it.each([
    '',
    ' ',
    'Read',
    'read:Wiki',
    'read ',
    'read:',
    ':read',
    'read::wiki',
    'read:wi*',
    'read:**',
    '-read',
    '.read',
    'read/wiki',
    'read\n',
    'rëad',
    '__proto__',
    'read:../x',
    'svc',
    'svc:mcp',
    'svc:mcp:org',
    'svc:connect:agent',
    'svc:a:svc',
    'org',
    'org:*',
    'org:a:b',
    'agent',
    'agent:*',
    'agent:connect:x',
    'a:b:c:d:e:f:g:h:i',
    'a'.repeat(129),
  ])('refuses %j', (scope) => {
    expect(scopeProblem(scope)).toEqual(expect.any(String));
  });
});

describe('covers', () => {
  it.each([
    // Equal, or a prefix at a colon.
    ['read', 'read', true],
    ['read', 'read:wiki', true],
    ['read:wiki', 'read', false],
    ['read:wiki', 'read:wiki:page', true],
    ['read:wiki', 'read:wikis', false],
    // The hierarchy, and both together.
    ['trade', 'read:wiki', true],
    ['manage', 'trade:x', true],
    ['manage:x', 'read:x:y', true],
    ['manage:x', 'read:y', false],
    ['read', 'trade', false],
    ['trade:wiki', 'manage:wiki', false],
    ['write', 'read', false],
    ['manage', 'write', false],
    ['admin:wiki', 'admin:wiki', true],
    // A "*" is one segment; trailing, any remainder, the empty one included.
    ['*', 'write:wiki:page', true],
    ['*', 'read', true],
    ['*:wiki', 'write:wiki', true],
    ['*:wiki', 'write:wiki:page', true],
    ['*:wiki', 'write', false],
    ['read:*', 'read', true],
    ['read:*', 'read:wiki:page', true],
    ['trade:*', 'read:wiki', true],
    ['read:*:page', 'read:wiki:page', true],
    ['read:*:page', 'read:wiki:other', false],
    ['read:*:page', 'read:wiki', false],
    ['read:*:*', 'read', false],
    ['read:*:*', 'read:wiki', true],
    // On the wanted side "*" is a text.
    ['read:wiki', 'read:*', false],
    ['read', 'read:*', true],
    ['manage', '*', false],
    ['*', '*', true],
    ['manage:wiki', '*:wiki', false],
    // `svc` is another way to write the same, on both sides.
    ['svc:mcp:write', 'write:mcp', true],
    ['write:mcp', 'svc:mcp:write', true],
    ['svc:mcp:manage', 'read:mcp:page', true],
    ['svc:mcp:write:a', 'write:mcp:b', false],
    ['svc:mcp:*', 'write:mcp', true],
    ['svc:mcp:write', 'svc:mcp', false],
    // Selectors grant nothing and are covered by nothing.
    ['org:acme', 'org:acme', false],
    ['agent:a', 'agent:a', false],
    ['*', 'org:acme', false],
    ['*', 'agent:a', false],
    ['agent:connect', 'agent:connect', true],
    ['*', 'agent:connect', false],
    ['*:connect', 'agent:connect', false],
    ['agent', 'agent:connect', false],
    ['agent:connect', 'read', false],
    ['agent:a', 'agent:connect', false],
  ])('%s over %s is %s', (scope, wanted, answer) => {
    expect(covers(granted(scope), wanted)).toBe(answer);
    expect(covers(granted('other:thing', scope), wanted)).toBe(answer);
  });

  it('A03: matches no part of a word and knows no pattern but "*"', () => {
    expect(covers(granted('search'), 'search_admin')).toBe(false);
    expect(covers(granted('search'), 'search-admin')).toBe(false);
    expect(covers(granted('se.rch'), 'search')).toBe(false);
    expect(covers(granted('read:.'), 'read:x')).toBe(false);
    expect(covers(granted('read:a'), 'read:a/../b')).toBe(false);
    expect(covers(granted('*'), 'read:a/../b')).toBe(false);
    expect(covers(granted('*'), '')).toBe(false);
    expect(covers(granted('*'), 'READ')).toBe(false);
    expect(covers(granted('re*'), 'read')).toBe(false);
  });

  it('A02: names of the object prototype are no actions of the hierarchy', () => {
    for (const name of ['constructor', 'toString', 'hasOwnProperty']) expect(covers(granted('manage'), name.toLowerCase())).toBe(false);
    expect(covers(granted('constructor'), 'constructor')).toBe(true);
  });

  it('grants nothing for nothing', () => {
    expect(covers(granted(), 'read')).toBe(false);
  });

  it('remembers answers within a bound', () => {
    const set = granted('read');
    for (let at = 0; at < 5_000; at += 1) expect(covers(set, `read:${at}`)).toBe(true);
    expect(covers(set, 'x'.repeat(5_000))).toBe(false);
    expect(set.memo.size).toBeLessThanOrEqual(1_000);
    expect([...set.memo.keys()].every((wanted) => wanted.length <= 128)).toBe(true);
  });
});

const segment = fc.constantFrom('a', 'b', '*');
const action = fc.constantFrom('read', 'trade', 'manage', 'write', '*');
const scope = fc
  .tuple(fc.constantFrom('plain', 'svc', 'org', 'agent', 'connect'), action, fc.array(segment, { maxLength: 3 }))
  .map(([form, first, rest]) => {
    if (form === 'org' || form === 'agent') return `${form}:${(rest[0] ?? 'a').replace('*', 'a')}`;
    if (form === 'connect') return 'agent:connect';
    const [service, ...others] = rest;
    return form === 'svc' && service !== undefined ? ['svc', service, first, ...others].join(':') : [first, ...rest].join(':');
  });
const scopes = fc.array(scope, { maxLength: 4 });

describe('properties', () => {
  it('every scope made here is valid', () => {
    fc.assert(fc.property(scope, (text) => scopeProblem(text) === undefined));
  });

  it('a child that is within its parent can do nothing that the parent cannot (I7)', () => {
    fc.assert(
      fc.property(scopes, scopes, scope, (child, parent, wanted) => {
        fc.pre(isWithin(child, granted(...parent)).length === 0);
        return !covers(granted(...child), wanted) || covers(granted(...parent), wanted);
      }),
      { numRuns: 5_000 },
    );
  });

  it('what is covered stays covered when more is granted, and with a longer resource', () => {
    fc.assert(
      fc.property(scopes, scope, scope, (some, more, wanted) => {
        const before = covers(granted(...some), wanted);
        const longer = wanted === 'agent:connect' ? wanted : `${wanted}:z`;
        return !before || (covers(granted(...some, more), wanted) && covers(granted(...some), longer));
      }),
      { numRuns: 2_000 },
    );
  });

  it('remembered answers are the first answers', () => {
    fc.assert(
      fc.property(scopes, fc.array(scope), (some, wanted) => {
        const set = granted(...some);
        const first = wanted.map((text) => covers(set, text));
        expect(wanted.map((text) => covers(set, text))).toEqual(first);
        expect(wanted.map((text) => covers(granted(...some), text))).toEqual(first);
      }),
    );
  });
});

describe('isWithin', () => {
  it('names what the parent does not cover', () => {
    const parent = granted('trade', 'write:wiki', 'org:acme', 'agent:connect');
    expect(isWithin(['read:wiki', 'write:wiki:page', 'org:acme', 'agent:connect'], parent)).toEqual([]);
    expect(isWithin(['write', 'org:other', 'agent:a', 'READ'], parent)).toEqual(['write', 'org:other', 'agent:a', 'READ']);
  });

  it('judges a trailing "*" by what it grants', () => {
    expect(isWithin(['read:*'], granted('read:*:*'))).toEqual(['read:*']);
    expect(isWithin(['read:*'], granted('read'))).toEqual([]);
  });
});

describe('selectorsOf', () => {
  it('gives each id once, and no scope', () => {
    const mixed = ['org:acme', 'read:wiki', 'agent:a', 'agent:connect', 'org:acme', 'agent:b', 'org:*', 'svc:x:read', 'organ:x'];
    expect(selectorsOf(mixed)).toEqual({ orgs: ['acme'], agents: ['a', 'b'] });
  });
});

describe('permissionsToScopes', () => {
  it('is action and resource', () => {
    expect(permissionsToScopes({ read: ['a'], write: ['b', 'c:d'], admin: [] })).toEqual(['read:a', 'write:b', 'write:c:d']);
  });
});
