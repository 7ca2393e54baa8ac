import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { normaliseUri } from '../../src/domain/resource-uri.ts';

describe('normaliseUri', () => {
  it.each([
    ['wiki://home', 'wiki://home'],
    ['WIKI://Home/Page', 'wiki://home/Page'],
    ['wiki://home/../x', 'wiki://home/x'],
    ['wiki://home/a/./b/../c', 'wiki://home/a/c'],
    ['wiki://home/%2e%2E/x', 'wiki://home/x'],
    ['wiki://home/.%2e/x', 'wiki://home/x'],
    ['wiki://home/a/..', 'wiki://home/'],
    ['wiki://home/a/.', 'wiki://home/a/'],
    ['wiki://home/../../..', 'wiki://home/'],
    ['file:///a//b', 'file:///a//b'],
    ['file:///a//../b', 'file:///a/b'],
    ['file:///..', 'file:///'],
    ['file:///a/...', 'file:///a/...'],
    ['wiki://%48ome', 'wiki://home'],
    ['wiki://h/%7euser/%c3%bc', 'wiki://h/~user/%C3%BC'],
    ['wiki://h/ü', 'wiki://h/%C3%BC'],
    ['wiki://h/{page}', 'wiki://h/%7Bpage%7D'],
    ['wiki://h/a%20b', 'wiki://h/a%20b'],
    ['wiki://User@HOST:80/A', 'wiki://User@host:80/A'],
    ['wiki://h?q=a/../b', 'wiki://h?q=a/../b'],
    ['wiki://h/a?Q=%41', 'wiki://h/a?Q=A'],
    ['wiki://secret#x', 'wiki://secret'],
    ['wiki://secret#', 'wiki://secret'],
    ['urn:isbn:0451', 'urn:isbn:0451'],
    ['file:/a/../b', 'file:/b'],
    ['http://[2001:DB8::1]/x', 'http://[2001:db8::1]/x'],
    ['wiki://h/100%25', 'wiki://h/100%25'],
    ['wiki://*/%2A', 'wiki://*/%2A'],
  ])('%s is %s', (uri, normal) => {
    expect(normaliseUri(uri)).toBe(normal);
  });

  it.each([
    '',
    'home',
    '/home',
    '//home/x',
    '../x',
    ':x',
    '1a:x',
    'wiki:',
    'wiki:#x',
    'wiki://a b',
    ' wiki://a',
    'wiki://a\n',
    'wiki://a\t',
    'wiki://a\u00a0b',
    'wiki://a\u0000',
    'wiki://a\u0085',
    'wiki://a%00',
    'wiki://a%0a',
    'wiki://a%C2%85',
    'wiki://a\\b',
    'wiki://a%5cb',
    'wiki://a/%2f',
    'wiki://a%2Fb',
    'wiki://a/..%2f..%2fetc',
    'wiki://a/%252e%252e/x',
    'wiki://a/%252fx',
    'wiki://a/%%32f',
    'wiki://a/%25%32f',
    'wiki://a/%zz',
    'wiki://a/%4',
    'wiki://a/%',
    'wiki://a/%ff',
    'wiki://a/%c0%ae%c0%ae/x',
    'wiki://a/%c0%af',
    'wiki://../x',
    'wiki://%2e%2e/x',
    'wiki://u@../x',
    'wiki:a/../b',
    'wiki:../b',
    'file:/a/..//b',
    'wiki://\ud800',
    `wiki://${'a'.repeat(8_192)}`,
  ])('refuses %j', (uri) => {
    expect(normaliseUri(uri)).toBeUndefined();
  });
});

const piece = fc.constantFrom(
  'a',
  'B',
  '.',
  '..',
  '/',
  '//',
  '%2e',
  '%2E',
  '%41',
  '%c3%bc',
  'ü',
  '?',
  '#',
  '@',
  ':',
  '*',
  '%25',
  '%',
  '2',
  'f',
  '{',
  '%20',
  '~',
  '%7E',
  '|',
);
const uris = fc
  .tuple(fc.constantFrom('wiki://', 'WIKI:', 'file:///', 'urn:', 'http://h/'), fc.array(piece, { maxLength: 12 }))
  .map(([start, rest]) => start + rest.join(''));

describe('properties', () => {
  it('applied twice it changes nothing', () => {
    fc.assert(
      fc.property(fc.oneof(uris, fc.webUrl(), fc.string()), (uri) => {
        const once = normaliseUri(uri);
        if (once !== undefined) expect(normaliseUri(once)).toBe(once);
      }),
      { numRuns: 20_000 },
    );
  });

  it('leaves no dot segment in a path, and no fragment', () => {
    fc.assert(
      fc.property(uris, (uri) => {
        const normal = normaliseUri(uri);
        if (normal === undefined) return;
        expect(normal).not.toContain('#');
        expect(
          decodeURIComponent(normal.split('?')[0] ?? '')
            .split('/')
            .slice(1),
        ).not.toContain('..');
      }),
      { numRuns: 20_000 },
    );
  });

  it('agrees with the WHATWG parser on the path of web addresses', () => {
    const segment = fc.constantFrom('a', 'b', '.', '..', '%2e', '%2e%2E', '');
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 8 }), (segments) => {
        const uri = `http://h/${segments.join('/')}`;
        expect(normaliseUri(uri)).toBe(new URL(uri).href);
      }),
      { numRuns: 5_000 },
    );
  });
});
