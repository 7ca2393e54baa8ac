import { compileGlob } from './glob.ts';
import type { Micros } from './money.ts';
import type { FoundRoute, Route, Routes, Rule } from './policy.ts';
import { foldPath, readingsOf } from './route-path.ts';

/** One declared pass-through route, as the configuration has it, read and checked. */
export interface RouteConfig {
  /** Pattern of decoded paths: `*` within a segment, `**` across them. */
  readonly path: string;
  /** Upper case, each once. */
  readonly methods: readonly RouteMethod[];
  readonly scopes: readonly string[];
  readonly price: Micros;
  /** Only upgrades to a websocket pass; without it, only what is none. */
  readonly websocket: boolean;
  /** Takes the place of the pattern's part before its first wildcard. */
  readonly to?: string;
  /** Whether the upstream may set cookies. */
  readonly cookies: boolean;
}

export type RouteMethod = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

interface Compiled {
  readonly route: Route;
  readonly methods: ReadonlySet<string>;
  readonly matches: (plain: string) => boolean;
  readonly matchesFolded: (folded: string) => boolean;
}

/**
 * Compiles the routes of one upstream. First match of path and method wins, GET includes HEAD; no match is none. Where the upstream could take the
 * path for one that an earlier route is about, because it disregards case or a slash at the end, nothing matches: that route may ask for
 * more. The MCP endpoint itself, and what lies below it, is never a route's.
 * @param options.mcpPath path of the MCP endpoint at the same server
 */
export function compileRoutes(options: { upstream: string; routes: readonly RouteConfig[]; mcpPath: string }): Routes {
  const compiled = options.routes.map((route, at) => compile(route, `${options.upstream}.passthrough[${at}]`));
  const firstOf = (asked: Parameters<Routes['find']>[0], matches: (one: Compiled) => boolean): number => {
    const at = compiled.findIndex((one) => one.route.websocket === asked.websocket && one.methods.has(asked.method) && matches(one));
    return at === -1 ? compiled.length : at;
  };
  return {
    find(asked) {
      const { path, websocket } = asked;
      const at = firstOf(asked, ({ matches }) => matches(path.plain));
      const found = compiled[at];
      if (!found) return otherMethods(compiled.filter(({ route, matches }) => route.websocket === websocket && matches(path.plain)));
      const readings = readingsOf(path.plain);
      if (firstOf(asked, ({ matchesFolded }) => readings.some(matchesFolded)) < at) return { kind: 'none' };
      const sent = found.route.rewrite(path);
      return isMcp(sent, options.mcpPath) ? { kind: 'none' } : { kind: 'route', route: found.route, path: sent };
    },
  };
}

function compile({ path, methods, scopes, price, websocket, cookies, to }: RouteConfig, id: string): Compiled {
  const rule: Rule = { id, subject: 'passthrough', match: [path], scopes, price, limits: [], stepUp: false };
  return {
    route: { rule, websocket, cookies, rewrite: rewriteTo(path, to) },
    methods: new Set(methods.includes('GET') && !websocket ? [...methods, 'HEAD'] : methods),
    matches: compileGlob(path, 'uri'),
    matchesFolded: compileGlob(foldPath(path), 'uri'),
  };
}

/** `to` replaces whole segments, so what is counted is slashes, of which decoding makes none. */
function rewriteTo(pattern: string, to: string | undefined): Route['rewrite'] {
  if (to === undefined) return ({ raw }) => raw;
  const wildcard = pattern.indexOf('*');
  if (wildcard === -1) return () => to;
  const kept = pattern.slice(0, wildcard).split('/').length - 1;
  const base = to.endsWith('/') ? to.slice(0, -1) : to;
  return ({ raw }) => `${base}/${raw.split('/').slice(kept).join('/')}`;
}

function isMcp(sent: string, mcpPath: string): boolean {
  const own = foldPath(decodeURIComponent(mcpPath)).replace(/\/+$/, '');
  return readingsOf(decodeURIComponent(sent)).some((folded) => `${folded}/`.startsWith(`${own}/`) && (own !== '' || folded === '/'));
}

function otherMethods(matching: readonly Compiled[]): FoundRoute {
  const allow = [...new Set(matching.flatMap(({ methods }) => [...methods]))];
  return allow.length === 0 ? { kind: 'none' } : { kind: 'method', allow };
}
