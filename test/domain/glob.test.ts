import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileGlob } from '../../src/domain/glob.ts';

describe('names', () => {
  it.each([
    ['get_*', 'get_page', true],
    ['get_*', 'get_', true],
    ['get_*', 'Get_page', false],
    ['get_*', 'xget_page', false],
    ['*', '', true],
    ['*', 'a/b', true],
    ['*_page', 'write_page', true],
    ['a*b*c', 'abc', true],
    ['a*b*c', 'aXbYbZc', true],
    ['a*b*c', 'acb', false],
    ['ab*ba', 'aba', false],
    ['a.c', 'abc', false],
    ['a?c', 'abc', false],
    ['[a-z]', 'b', false],
    ['(a|b)', 'a', false],
    ['^a$', 'a', false],
    ['a\\*', 'a\\x', true],
    ['', '', true],
    ['', 'a', false],
    ['a**b', 'a/b', true],
  ])('%j over %j is %s', (pattern, text, answer) => {
    expect(compileGlob(pattern, 'name')(text)).toBe(answer);
  });
});

describe('uris', () => {
  it.each([
    ['wiki://**', 'wiki://home/a/b', true],
    ['wiki://**', 'wiki://', true],
    ['wiki://*', 'wiki://home', true],
    ['wiki://*', 'wiki://home/a', false],
    ['wiki://*/a', 'wiki://home/a', true],
    ['wiki://**/a', 'wiki://x/y/a', true],
    ['wiki://**/a', 'wiki://a', false],
    ['wiki://a/**', 'wiki://a', false],
    ['wiki://*/x/*.md', 'wiki://h/x/readme.md', true],
    ['wiki://*/x/*.md', 'wiki://h/x/y/readme.md', false],
    ['**/x/*/z', 'a/x/b/c/x/d/z', true],
    ['**/x/*/z', 'a/x/b/c/z', false],
    ['a/***/b', 'a/x/y/b', true],
    ['a/*', 'a/b?q=/', false],
  ])('%j over %j is %s', (pattern, text, answer) => {
    expect(compileGlob(pattern, 'uri')(text)).toBe(answer);
  });
});

/** The same meaning, by the platform's backtracking engine. */
function expression(pattern: string, kind: 'name' | 'uri'): RegExp {
  const parts = pattern.match(/\*+|[^*]+/g) ?? [];
  const source = parts.map((part) => {
    if (!part.startsWith('*')) return part.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
    return kind === 'name' || part.length > 1 ? '[\\s\\S]*' : '[^/]*';
  });
  return new RegExp(`^${source.join('')}$`);
}

const letters = (...from: string[]) => fc.array(fc.constantFrom(...from), { maxLength: 10 }).map((some) => some.join(''));

describe('properties', () => {
  it('agrees with a regular expression', () => {
    fc.assert(
      fc.property(
        letters('a', 'b', '/', '*', '**', '.'),
        letters('a', 'b', '/', '.'),
        fc.constantFrom('name', 'uri'),
        (pattern, text, kind) => {
          expect(compileGlob(pattern, kind)(text)).toBe(expression(pattern, kind).test(text));
        },
      ),
      { numRuns: 20_000 },
    );
  });

  it('a text without "*" matches itself and nothing else', () => {
    const text = fc.string().map((some) => some.replaceAll('*', ''));
    fc.assert(
      fc.property(text, text, fc.constantFrom('name', 'uri'), (pattern, other, kind) => {
        expect(compileGlob(pattern, kind)(pattern)).toBe(true);
        expect(compileGlob(pattern, kind)(other)).toBe(pattern === other);
      }),
    );
  });

  it('takes time in proportion, also on what makes backtracking explode', () => {
    const began = performance.now();
    expect(compileGlob(`${'*a'.repeat(30)}*b`, 'name')('a'.repeat(8_000))).toBe(false);
    expect(compileGlob(`${'**a*a'.repeat(15)}**b*`, 'uri')('a'.repeat(8_000))).toBe(false);
    expect(performance.now() - began).toBeLessThan(3_000);
  });
});
