import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileGlob } from '../../src/domain/glob.ts';
import { type Micros, zeroMicros } from '../../src/domain/money.ts';
import type { Condition, RiskLimit, Subject } from '../../src/domain/policy.ts';
import { annotationRule, compileRules, compileUpstreamPolicy, type RuleConfigLike } from '../../src/domain/rule.ts';

const compileCondition = (source: string): Condition => ({ source, holds: () => true });
const free = (match: string | string[], scope = 'read:wiki'): RuleConfigLike => ({
  match: [match].flat(),
  scopes: [scope],
  price: zeroMicros,
  limits: [],
  stepUp: false,
});
const charge = { error: 'full', toolError: 'full', timeout: 'full', lost: 'full' } as const;
const amountMax = (max: number): RiskLimit => ({ kind: 'max', argument: 'amount', max });

function policy(sections: Partial<Record<Subject, readonly RuleConfigLike[]>>, annotated?: boolean) {
  return compileUpstreamPolicy({
    name: 'wiki',
    environment: 'live',
    denials: 'jsonrpc',
    sections: { tools: [], resources: [], prompts: [], methods: [], ...sections },
    compileCondition,
    pinning: { mode: 'off', onChange: { schema: 'report', annotations: 'report', wording: 'report' } },
    ...(annotated === undefined ? {} : { annotated }),
  });
}

describe('compileRules', () => {
  it('names each rule by its place and compiles its condition', () => {
    const price = 2_000 as Micros;
    const rules = compileRules({
      upstream: 'wiki',
      subject: 'tools',
      rules: [
        free('get_*'),
        {
          match: ['write_page', 'delete_page'],
          scopes: ['write:wiki'],
          price,
          when: 'args.title != "Home"',
          limits: [amountMax(5)],
          stepUp: true,
        },
      ],
      compileCondition,
    });
    expect(rules.map((rule) => rule.id)).toEqual(['wiki.tools[0]', 'wiki.tools[1]']);
    expect(rules[0]).toEqual({
      id: 'wiki.tools[0]',
      subject: 'tools',
      match: ['get_*'],
      scopes: ['read:wiki'],
      price: 0,
      limits: [],
      stepUp: false,
    });
    expect(rules[1]?.price).toBe(price);
    expect(rules[1]?.when?.source).toBe('args.title != "Home"');
    expect(rules[1]).toMatchObject({ limits: [amountMax(5)], stepUp: true });
  });

  it('carries what a rule says of money besides its price', () => {
    const terms = {
      reported: { name: 'n', missing: 'none' },
      charge: { ...charge, timeout: 'none' },
      lease: { calls: 50, ms: 2000 },
    } as const;
    const [rule] = compileRules({ upstream: 'wiki', subject: 'tools', rules: [{ ...free('a'), ...terms }], compileCondition });
    expect(rule).toMatchObject(terms);
  });
});

describe('ruleFor', () => {
  it('gives the first match, whether exact or by pattern', () => {
    const { ruleFor } = policy({ tools: [free('get_page'), free('get_*'), free(['get_other', 'write']), free('*e'), free('write')] });
    expect(ruleFor('tools', 'get_page')?.id).toBe('wiki.tools[0]');
    expect(ruleFor('tools', 'get_other')?.id).toBe('wiki.tools[1]');
    expect(ruleFor('tools', 'write')?.id).toBe('wiki.tools[2]');
    expect(ruleFor('tools', 'delete')?.id).toBe('wiki.tools[3]');
    expect(ruleFor('tools', 'delet')).toBeUndefined();
    expect(ruleFor('tools', '')).toBeUndefined();
    expect(ruleFor('prompts', 'get_page')).toBeUndefined();
  });

  it('A02: names of the object prototype are names like any other', () => {
    const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty'];
    for (const name of names) expect(policy({ tools: [free('get_page')] }).ruleFor('tools', name)).toBeUndefined();
    for (const name of names) expect(policy({ tools: [free(name)] }).ruleFor('tools', name)?.id).toBe('wiki.tools[0]');
  });

  it('brings the patterns of resources to the form of their URIs', () => {
    const { ruleFor } = policy({ resources: [free('WIKI://Home'), free('wiki://*/%7ea'), free('wiki://docs/**'), free('wiki://{page}')] });
    expect(ruleFor('resources', 'wiki://home')?.id).toBe('wiki.resources[0]');
    expect(ruleFor('resources', 'wiki://x/~a')?.id).toBe('wiki.resources[1]');
    expect(ruleFor('resources', 'wiki://docs/a/b')?.id).toBe('wiki.resources[2]');
    expect(ruleFor('resources', 'wiki://%7Bpage%7D')?.id).toBe('wiki.resources[3]');
    expect(ruleFor('resources', 'wiki://x/a')).toBeUndefined();
  });

  it('agrees with a walk over all rules, also when asked again', () => {
    const text = fc.array(fc.constantFrom('a', 'b'), { maxLength: 3 }).map((some) => some.join(''));
    const pattern = fc.array(fc.constantFrom('a', 'b', '*'), { maxLength: 4 }).map((some) => some.join(''));
    fc.assert(
      fc.property(fc.array(fc.array(pattern, { minLength: 1, maxLength: 3 }), { maxLength: 8 }), fc.array(text), (lists, names) => {
        const { ruleFor } = policy({ tools: lists.map((match) => free(match)) });
        for (const name of [...names, ...names]) {
          const at = lists.findIndex((match) => match.some((one) => compileGlob(one, 'name')(name)));
          expect(ruleFor('tools', name)?.id).toBe(at === -1 ? undefined : `wiki.tools[${at}]`);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it('A61: stays right and quick with a thousand rules and many unknown names', () => {
    const rules = Array.from({ length: 999 }, (_, at) => free(at % 2 === 0 ? `tool_${at}` : `group${at}_*`));
    const { ruleFor } = policy({ tools: [...rules, free('exact')] });
    for (let at = 0; at < 12_000; at += 1) expect(ruleFor('tools', `unknown${at}`)).toBeUndefined();
    expect(ruleFor('tools', 'exact')?.id).toBe('wiki.tools[999]');
    const began = performance.now();
    for (let at = 0; at < 200_000; at += 1) ruleFor('tools', at % 2 === 0 ? 'exact' : 'group997_x');
    // A walk of the patterns would take seconds.
    expect(performance.now() - began).toBeLessThan(1_000);
  });
});

describe('compileUpstreamPolicy', () => {
  it('changes its revision with every part of a rule, and with nothing else', () => {
    const base = policy({ tools: [free('a')] }).revision;
    expect(base).toMatch(/^[0-9a-f]{12}$/);
    expect(policy({ tools: [free('a')] }).revision).toBe(base);
    const others = [
      policy({ tools: [free('b')] }),
      policy({ tools: [free('a', 'write:wiki')] }),
      policy({ tools: [{ ...free('a'), price: 1 as Micros }] }),
      policy({ tools: [{ ...free('a'), when: 'true' }] }),
      policy({ tools: [{ ...free('a'), stepUp: true }] }),
      policy({ tools: [{ ...free('a'), limits: [amountMax(5)] }] }),
      policy({ tools: [{ ...free('a'), limits: [amountMax(6)] }] }),
      policy({ tools: [{ ...free('a'), limits: [{ kind: 'oneOf', argument: 'x', values: [1] }] }] }),
      policy({ tools: [{ ...free('a'), limits: [{ kind: 'oneOf', argument: 'x', values: ['1'] }] }] }),
      policy({ tools: [{ ...free('a'), reported: { name: 'n', missing: 'full' } }] }),
      policy({ tools: [{ ...free('a'), reported: { name: 'n', missing: 'none' } }] }),
      policy({ tools: [{ ...free('a'), reported: { name: 'm', missing: 'full' } }] }),
      ...(['error', 'toolError', 'timeout', 'lost'] as const).map((ending) =>
        policy({ tools: [{ ...free('a'), charge: { ...charge, [ending]: 'none' } }] }),
      ),
      policy({ tools: [{ ...free('a'), lease: { calls: 50, ms: 2000 } }] }),
      policy({ tools: [{ ...free('a'), lease: { calls: 51, ms: 2000 } }] }),
      policy({ tools: [{ ...free('a'), lease: { calls: 50, ms: 2001 } }] }),
      policy({ prompts: [free('a')] }),
      policy({ tools: [free('a'), free('b')] }),
      policy({ tools: [free('b'), free('a')] }),
    ].map(({ revision }) => revision);
    expect(new Set([base, ...others]).size).toBe(others.length + 1);
  });

  it('lists every scope once', () => {
    expect(policy({ tools: [free('a'), free('b', 'write:wiki')], prompts: [free('*')] }).scopes).toEqual(['read:wiki', 'write:wiki']);
  });

  it('goes by annotations only where it was told to and no tool rule is written', () => {
    expect(policy({}).annotated).toBe(false);
    expect(policy({}, true)).toMatchObject({ annotated: true, scopes: ['read:wiki', 'trade:wiki', 'manage:wiki'] });
    expect(policy({ tools: [free('a')] }, true).annotated).toBe(false);
  });
});

describe('annotationRule', () => {
  it.each([
    [{ readOnlyHint: true }, 'read:wiki'],
    [{ readOnlyHint: true, destructiveHint: true }, 'read:wiki'],
    [{ readOnlyHint: false, destructiveHint: true }, 'manage:wiki'],
    [{ destructiveHint: false }, 'trade:wiki'],
    [{}, 'trade:wiki'],
  ])('%j needs %s', (annotations, scope) => {
    expect(annotationRule({ upstream: 'wiki', tool: 'x', annotations })).toEqual({
      id: 'wiki.annotations',
      subject: 'tools',
      match: ['x'],
      scopes: [scope],
      price: 0,
      limits: [],
      stepUp: false,
    });
  });
});
