import fc from 'fast-check';
import { type ParseError, parse } from 'jsonc-parser';
import { describe, expect, it } from 'vitest';
import { listenersCollide, readCidr, readHttpUrl, readListen, readOrigin } from '../../src/config/addresses.ts';
import { readBytes, readDuration, readMilliseconds } from '../../src/config/amounts.ts';
import { readCredentialHeader, readCredentialValue } from '../../src/config/credential.ts';
import { blankComments } from '../../src/config/jsonc.ts';
import { closest, formatProblem, pathText, type Reading } from '../../src/config/problems.ts';

function read<T>(reading: Reading<T>): T | undefined {
  return 'value' in reading ? reading.value : undefined;
}

describe('amounts', () => {
  it.each([
    ['30s', 30_000],
    ['15m', 900_000],
    ['12h', 43_200_000],
    ['90d', 7_776_000_000],
    ['1w', 604_800_000],
    ['250ms', 250],
  ])('%s', (text, ms) => {
    expect(read(readDuration(text))).toBe(ms);
  });
  it.each(['', '0s', '-1s', '1.5h', '90', '1y', '1 d', '1D', 'd', '1d12h', '99999999d', '1e3s', '٣s'])('%j is no duration', (text) => {
    expect(read(readDuration(text))).toBeUndefined();
  });
  it.each([
    [65_536, 65_536],
    ['65536', 65_536],
    ['64KiB', 65_536],
    ['4MiB', 4_194_304],
    ['1GiB', 1_073_741_824],
    ['7B', 7],
  ])('%j bytes', (written, bytes) => {
    expect(read(readBytes(written))).toBe(bytes);
  });
  it.each([1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, '4MB', '4M', '0x10', '007', '', '-1'])('%j is no size', (written) => {
    expect(read(readBytes(written))).toBeUndefined();
  });
  it('takes milliseconds as a number, digits or a duration', () => {
    expect([60_000, '60000', '60s'].map((written) => read(readMilliseconds(written)))).toEqual([60_000, 60_000, 60_000]);
    expect(read(readMilliseconds('60 s'))).toBeUndefined();
  });
});

describe('addresses', () => {
  it.each([
    '',
    '8080',
    ':8080',
    '127.0.0.1',
    '127.0.0.1:',
    '127.0.0.1:-1',
    '127.0.0.1:65536',
    '1.2.3:80',
    '::1:80',
    '[::1]',
    '[127.0.0.1]:80',
    '[]:80',
    'a_b:80',
    'a b:80',
    'http://h:80',
    '-a:80',
    '127.0.0.1:8080\n',
  ])('%j is no listener', (text) => {
    expect(read(readListen(text))).toBeUndefined();
  });
  it('finds listeners that collide', () => {
    const at = (host: string, port: number) => ({ host, port });
    expect(listenersCollide(at('127.0.0.1', 1), at('127.0.0.1', 1))).toBe(true);
    expect(listenersCollide(at('::', 1), at('127.0.0.1', 1))).toBe(true);
    expect(listenersCollide(at('127.0.0.1', 0), at('127.0.0.1', 0))).toBe(false);
    expect(listenersCollide(at('127.0.0.1', 1), at('127.0.0.2', 1))).toBe(false);
  });
  it.each([
    '',
    'h',
    '/mcp',
    'http:',
    'http:h',
    'http:///h',
    'file:///etc/passwd',
    'javascript:alert(1)',
    'http://u@h',
    'http://@h',
    'http://:p@h',
    'http://h?',
    'http://h#',
    'http://h\\x',
    ' http://h',
    'http://h/a b',
    'http://h:99999',
  ])('%j is no URL', (text) => {
    expect(read(readHttpUrl(text))).toBeUndefined();
  });
  it('accepts an @ in a path', () => {
    expect(read(readHttpUrl('https://h/@scope/mcp'))?.href).toBe('https://h/@scope/mcp');
  });
  it.each(['10.0.0.0', '10.0.0.0/33', '10.0.0.0/08', '10.0.0/8', '::/129', 'fd00::/', '10.0.0.0/8 ', 'h/8', '::1%lo/128', '*'])(
    '%j is no network',
    (text) => {
      expect(read(readCidr(text))).toBeUndefined();
    },
  );
  it.each(['*', 'null', '', 'https://H', 'https://h/', 'https://h:443', 'https://h/x', 'https://u@h', 'h', 'file://', 'ftp://h'])(
    '%j is no origin',
    (text) => {
      expect(read(readOrigin(text))).toBeUndefined();
    },
  );
});

describe('credentials', () => {
  it.each([
    'Host',
    'content-length',
    'Connection',
    'transfer-encoding',
    'MCP-Session-Id',
    'mcp-anything',
    'proxy-authorization',
    'X-Forwarded-For',
    'x-keygate-assertion',
    'Keep-Alive',
    'TE',
    'upgrade',
    'a b',
    'a:b',
    'ä',
    '',
    'x\r\ny',
  ])('%j is no credential header', (name) => {
    expect(read(readCredentialHeader(name))).toBeUndefined();
  });
  it('gives names in lower case', () => {
    expect(read(readCredentialHeader('X-API-Key'))).toBe('x-api-key');
  });
  it.each(['', ' a', 'a ', 'a\nb', 'a\rb', 'a\0b', 'a\x1bb', 'a\u20acb', 'x'.repeat(8193)])('%.20j is no credential value', (value) => {
    expect(read(readCredentialValue(value))).toBeUndefined();
  });
});

describe('blankComments', () => {
  it('gives what jsonc-parser reads, at the same offsets, for any value with comments between its tokens', () => {
    const filler = fc.constantFrom('', ' ', '\n', '/* "x" // */', '// "x" /*\n', '\t');
    const sample = fc.tuple(fc.jsonValue(), fc.array(filler, { minLength: 1, maxLength: 9 })).map(([value, fillers]) => {
      let turn = 0;
      const next = (): string => fillers[turn++ % fillers.length] ?? '';
      const tokens = JSON.stringify(value).match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^"{}[\],:]+/g) ?? [];
      return tokens.map((token) => next() + token).join('') + next();
    });
    // jsonc-parser assigns members, and so loses one of this name; JSON.parse keeps it.
    const comparable = sample.filter((text) => !text.includes('__proto__'));
    fc.assert(
      fc.property(comparable, (text) => {
        const blanked = blankComments(text);
        const errors: ParseError[] = [];
        expect(JSON.parse(blanked)).toEqual(parse(text, errors));
        expect(errors).toEqual([]);
        expect(blanked).toHaveLength(text.length);
        expect([...blanked.matchAll(/\n/g)].map(({ index }) => index)).toEqual([...text.matchAll(/\n/g)].map(({ index }) => index));
      }),
    );
  });
  it('leaves strings alone and swallows after an unclosed comment', () => {
    expect(blankComments('"a//b" /*"c"*/ "\\"//d" 1/2')).toBe('"a//b"         "\\"//d" 1/2');
    expect(blankComments('[1 /* 2 ]')).toBe('[1       ');
  });
});

describe('problems', () => {
  it('formats one line', () => {
    const problem = { path: 'upstreams.wiki.url', line: 12, column: 5, message: 'is required' };
    expect(formatProblem('config/keygate.yaml', problem)).toBe('config/keygate.yaml:12:5 upstreams.wiki.url: is required');
    expect(formatProblem('/a/b.yaml', { path: '', message: 'no', hint: 'yes' }, '/a')).toBe('b.yaml: no (hint: yes)');
    expect(formatProblem('/a/b.yaml', { path: '', message: 'no' }, '/c')).toBe('/a/b.yaml: no');
  });
  it('writes paths', () => {
    expect(pathText(['upstreams', 'my-wiki', 'tools', 0, 'price'])).toBe('upstreams.my-wiki.tools[0].price');
    expect(pathText(['a', 'b.c', 'd\n'])).toBe('a["b.c"]["d\\n"]');
  });
  it('finds the word that was meant', () => {
    const words = ['scope', 'match', 'price', 'when', 'url'];
    expect(['scop', 'scopes', 'SCOPE', 'mtach', 'ulr', 'prise'].map((word) => closest(word, words))).toEqual([
      'scope',
      'scope',
      'scope',
      'match',
      'url',
      'price',
    ]);
    expect(['description', 'x', 'abc'].map((word) => closest(word, words))).toEqual([undefined, undefined, undefined]);
  });
});
