import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Micros } from '../../src/domain/money.ts';
import { compileRoutes, type RouteConfig } from '../../src/domain/route.ts';
import { readRoutePath } from '../../src/domain/route-path.ts';

const config = (path: string, more: Partial<RouteConfig> = {}): RouteConfig => ({
  ...{ path, methods: ['GET'], scopes: ['read:up'], price: 0 as Micros, websocket: false, cookies: false },
  ...more,
});

function find(routes: readonly RouteConfig[], raw: string, { method = 'GET', websocket = false, mcpPath = '/mcp' } = {}): string {
  const path = readRoutePath(raw);
  if (!path) return 'unreadable';
  const found = compileRoutes({ upstream: 'up', routes, mcpPath }).find({ path, method, websocket });
  if (found.kind === 'route') return `${found.route.rule.id} ${found.path}`;
  return found.kind === 'method' ? found.allow.join() : found.kind;
}

describe('routes', () => {
  const routes = [
    config('/admin/**', { scopes: ['admin:up'] }),
    config('/a*/x', { to: '/b' }),
    config('/assets/**', { to: '/static/' }),
    config('/health', { to: '/internal/health' }),
    config('/items/*', { methods: ['GET'] }),
    config('/items/*', { methods: ['POST'] }),
    config('/ws', { websocket: true }),
    config('/über/*'),
    config('/**'),
  ];

  test.each([
    ['/admin/x', 'up.passthrough[0] /admin/x'],
    ['/Admin/x', 'none'],
    ['/admin/', 'up.passthrough[0] /admin/'],
    ['/assets/a/b.css', 'up.passthrough[2] /static/a/b.css'],
    ['/health', 'up.passthrough[3] /internal/health'],
    // What follows decides about the same thing and asks for less.
    ['/health/', 'none'],
    ['/HEALTH', 'none'],
    ['/items/1', 'up.passthrough[4] /items/1'],
    ['/items/1/2', 'up.passthrough[8] /items/1/2'],
    ['/%C3%BCber/x', 'up.passthrough[7] /%C3%BCber/x'],
    ['/mcp', 'none'],
    ['/MCP/', 'none'],
    ['/mcp/anything', 'none'],
    ['/mcp2', 'up.passthrough[8] /mcp2'],
    ['/ws', 'up.passthrough[8] /ws'],
  ])('GET %s is %s', (path, expected) => {
    expect(find(routes, path)).toBe(expected);
  });

  test('the method chooses among routes of one path; another is told which there are', () => {
    expect(find(routes, '/items/1', { method: 'POST' })).toBe('up.passthrough[5] /items/1');
    expect(find(routes, '/items/1', { method: 'HEAD' })).toBe('up.passthrough[4] /items/1');
    expect(find(routes.slice(0, 6), '/items/1', { method: 'PUT' })).toBe('GET,HEAD,POST');
    expect(find([], '/items/1')).toBe('none');
  });

  test('a websocket is another thing than a page', () => {
    expect(find(routes, '/ws', { websocket: true })).toBe('up.passthrough[6] /ws');
    expect(find(routes, '/items/1', { websocket: true })).toBe('none');
  });

  test('no rewriting leads to the MCP endpoint, wherever that is', () => {
    expect(find([config('/x/**', { to: '/mcp' })], '/x/y')).toBe('none');
    expect(find([config('/x', { to: '/Mcp/' })], '/x')).toBe('none');
    expect(find([config('/x/**', { to: '/' })], '/x/mcp')).toBe('none');
    expect(find([config('/**')], '/', { mcpPath: '/' })).toBe('none');
    expect(find([config('/**')], '/x', { mcpPath: '/' })).toBe('up.passthrough[0] /x');
    expect(find([config('/**')], '/a%20b', { mcpPath: '/a%20b' })).toBe('none');
  });
});

describe('A12: a path can be read in one way, or is none', () => {
  test.each(['/', '/a', '/a/', '/a/b.c', '/a%20b', '/%C3%BC', '/a/b:c@d', '/...', '/a/..b', "/a!$&'()*+,="])('%s is one', (raw) => {
    expect(readRoutePath(raw)?.raw).toBe(raw);
  });

  test.each([
    ...[
      '',
      'a',
      '//',
      '/a//b',
      '/.',
      '/..',
      '/a/../b',
      '/a/./b',
      '/a/..',
      '/%2e',
      '/%2E%2e/',
      '/a%2fb',
      '/a%5Cb',
      '/a\\b',
      '/a;b',
      '/a%3bb',
    ],
    ...[
      '/%41',
      '/%7e',
      '/%30',
      '/%2d',
      '/%5F',
      '/%00',
      '/%0a',
      '/%7F',
      '/%25',
      '/%252e',
      '/%',
      '/%4',
      '/%zz',
      '/%ff',
      '/%C3',
      '/ü',
      '/a b',
    ],
    ...['/a?b', '/a#b', '/%C2%85', '/%E2%80%A8', '/a\u0000'],
  ])('%s is none', (raw) => {
    expect(readRoutePath(raw)).toBeUndefined();
  });

  test('whatever is read as a path, the URL parser reads alike, and decoding once more changes nothing', () => {
    const part = fc.constantFrom(
      '/',
      '.',
      '..',
      'a',
      'Z',
      '%2e',
      '%2F',
      '%20',
      '%C3%BC',
      '%25',
      ';',
      '\\',
      '//',
      ':',
      '~',
      '%',
      '41',
      '%41',
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
        const raw = `/${parts.join('')}`;
        const path = readRoutePath(raw);
        if (!path) return;
        expect(new URL(raw, 'http://h').pathname).toBe(raw);
        expect(decodeURIComponent(path.plain)).toBe(path.plain);
        expect(path.plain.split('/').length).toBe(raw.split('/').length);
      }),
      { numRuns: 5_000 },
    );
  });
});
