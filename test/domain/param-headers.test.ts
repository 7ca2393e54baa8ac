import { describe, expect, it } from 'vitest';
import { decodeHeaderValue } from '../../src/domain/header-value.ts';
import { paramHeaders, paramHeadersOf } from '../../src/domain/param-headers.ts';

const field = (name: unknown, more: object = {}) => ({ type: 'string', 'x-mcp-header': name, ...more });

describe('which headers a schema asks for', () => {
  it.each<[string, unknown, string[]]>([
    ['none', { type: 'object', properties: { a: { type: 'string' } } }, []],
    ['at the top', { properties: { a: field('A'), b: field('B') } }, ['A:a', 'B:b']],
    ['deeper', { properties: { a: { properties: { b: field('X-Y') } } } }, ['X-Y:a.b']],
    ['not the schema itself', field('A'), []],
    ['not beside properties', { properties: { a: { items: field('A'), oneOf: [field('B')] } } }, []],
    ['no names that are no field names', { properties: { a: field('A B'), b: field(''), c: field(5), d: field('a\r\nb') } }, []],
    ['one of two that differ in case alone', { properties: { a: field('A'), b: field('a') } }, ['a:b']],
    ['of no schema', 5, []],
  ])('%s', (_what, schema, expected) => {
    expect(paramHeadersOf(schema).map(({ name, path }) => `${name}:${path.join('.')}`)).toEqual(expected);
  });

  it('a schema without end is read to a depth, and a wide one to a number', () => {
    const endless: { properties: Record<string, unknown> } = { properties: { x: field('X') } };
    endless.properties['again'] = endless;
    expect(paramHeadersOf(endless)).toHaveLength(1);
    const wide = { properties: Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`p${at}`, field(`P${at}`)])) };
    expect(paramHeadersOf(wide)).toHaveLength(32);
  });
});

describe('what they say', () => {
  it.each<[unknown, string | undefined]>([
    ['eu', 'eu'],
    ['grüß', '=?base64?Z3LDvMOf?='],
    ['a\r\nb', '=?base64?YQ0KYg==?='],
    ['', '=?base64??='],
    [true, 'true'],
    [42, '42'],
    [1.5, '1.5'],
    [2 ** 60, undefined],
    [null, undefined],
    [undefined, undefined],
    [{ a: 1 }, undefined],
  ])('%j', (value, expected) => {
    const [name, text] = paramHeaders([{ name: 'Where', path: ['to', 'go'] }], { to: { go: value } });
    expect(text).toBe(expected);
    expect(name).toBe(expected === undefined ? undefined : 'mcp-param-where');
    if (text !== undefined && typeof value === 'string') expect(decodeHeaderValue(text)).toBe(value);
  });

  it('A02: a path leads only through own members', () => {
    expect(paramHeaders([{ name: 'X', path: ['constructor', 'name'] }], {})).toEqual([]);
    expect(paramHeaders([{ name: 'X', path: ['a'] }], 'text')).toEqual([]);
  });
});
