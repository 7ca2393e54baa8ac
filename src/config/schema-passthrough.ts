import * as z from 'zod';
import { type Micros, parseMicros } from '../domain/money.ts';
import type { RouteConfig, RouteMethod } from '../domain/route.ts';
import { readRoutePath } from '../domain/route-path.ts';
import type { Reading } from './problems.ts';
import { checked, meaning, oneOrMore } from './reading.ts';

const methods: readonly RouteMethod[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];

const pattern = checked((text) => {
  if (text.length > 512) return { message: 'must have at most 512 characters' };
  // Patterns are about decoded paths, so a "%" would never match.
  const written = text.split('/').map((segment) => encodeURIComponent(segment));
  if (text.startsWith('/') && !text.includes('%') && readRoutePath(written.join('/')) !== undefined) return undefined;
  return {
    message: 'must be a path that can be read in one way only',
    hint: 'such as /assets/** or /health, decoded, without . or .. or //',
  };
});

const base = checked((text) =>
  readRoutePath(text) === undefined
    ? {
        message: 'must be a path of the same server',
        hint: 'such as /static, without a query; it takes the place of what stands before the first *',
      }
    : undefined,
);

const scope = checked((text) =>
  text === '' || text === 'none'
    ? { message: 'must name a scope: there are no routes that need none', hint: 'such as read:wiki' }
    : undefined,
);

const price = meaning(z.string(), (text): Reading<Micros> => {
  const micros = parseMicros(text);
  if (micros !== undefined) return { value: micros };
  return { message: 'must be a decimal number with at most six places, from 0 to 1000000000', hint: 'such as "0.002"' };
});

const routeSchema = z
  .strictObject({
    path: pattern.describe('Pattern of paths: * within one segment, ** across them.'),
    methods: z.array(z.enum(methods)).min(1).optional().describe('HTTP methods. Default: GET, which includes HEAD.'),
    scope: oneOrMore(scope).describe('The scope a key needs; with a list, all of them.'),
    price: price.prefault('0').describe('Price of one request, a decimal string.'),
    websocket: z.boolean().default(false).describe('Upgrades to a websocket pass, and nothing else.'),
    to: base.optional().describe('Path that takes the place of what stands before the first wildcard.'),
    cookies: z.boolean().default(false).describe('Whether the upstream may set cookies.'),
  })
  .refine(({ websocket, methods: written }) => !websocket || written === undefined, {
    path: ['methods'],
    error: 'are not for a websocket, which is always opened with GET',
  })
  .transform(
    ({ methods: written, scope: scopes, to, ...route }): RouteConfig => ({
      ...{ ...route, scopes, methods: [...new Set(written ?? (['GET'] as const))] },
      ...(to !== undefined && { to }),
    }),
  );

/** The written form of an upstream's `passthrough`. */
export const passthroughSchema = z.array(routeSchema).max(1_000);
