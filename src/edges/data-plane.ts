import type { HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { Hono } from 'hono';
import type { Policy } from '../domain/policy.ts';
import type { Clock } from '../ports/clock.ts';
import type { Load } from '../ports/load.ts';
import type { Arrived } from '../stages/reached.ts';
import type { RouteArrived } from '../stages/route-reached.ts';
import { apiApp } from './api/app.ts';
import type { ApiDeps } from './api/deps.ts';
import type { ClientAddress } from './client-address.ts';
import { replyOn } from './outgoing-reply.ts';
import { readBody } from './read-body.ts';
import { resourceMetadata } from './resource-metadata.ts';
import { isRoutePath } from './route-edge.ts';

export interface DataEdge {
  readonly serve: (arrived: Arrived) => Promise<void>;
  readonly servePassthrough: (arrived: RouteArrived) => Promise<void>;
  readonly policy: () => Policy;
  /** True once this process was told to stop. */
  readonly draining: () => boolean;
  readonly clientAddress: () => ClientAddress;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly publicJwks: () => object;
  readonly api: ApiDeps;
  readonly load: Pick<Load, 'enter'>;
}

/**
 * Serves the requests of MCP endpoints, and leaves others alone. They are nearly all that come and have nothing to be routed by, so they go straight to
 * the gateway: a Request made for a router, and the way through it, cost more than a body's scan does (measured).
 */
export function serveMessages(edge: DataEdge): (client: Pick<HttpBindings, 'incoming' | 'outgoing'>) => Promise<void> | undefined {
  return (client) => {
    const { method, url = '' } = client.incoming;
    return method !== 'OPTIONS' && url.startsWith('/mcp/') ? edge.serve(arrive(edge, client)) : undefined;
  };
}

async function answer(edge: DataEdge, env: HttpBindings): Promise<Response> {
  await edge.serve(arrive(edge, env));
  return RESPONSE_ALREADY_SENT;
}

/**
 * The data plane: agents come here. Everything that is not public metadata goes through the gateway, which answers
 * on the raw response; nothing here decides anything.
 */
export function dataApp(edge: DataEdge): Hono<{ Bindings: HttpBindings }> {
  const app = new Hono<{ Bindings: HttpBindings }>();
  app.get('/.well-known/jwks.json', (c) => c.json(edge.publicJwks(), 200, { 'cache-control': 'public, max-age=300' }));
  app.get('/.well-known/oauth-protected-resource/mcp/:name?', (c) => {
    const name = c.req.param('name');
    const metadata = resourceMetadata(edge.policy(), name === undefined ? '/mcp' : `/mcp/${name}`);
    return metadata ? c.json(metadata, 200, { 'cache-control': 'public, max-age=300', 'access-control-allow-origin': '*' }) : c.notFound();
  });
  app.get('/.well-known/*', (c) => c.notFound());
  app.route('/api/v1', apiApp(edge.api, 'data'));
  app.options('*', (c) => {
    const { origin } = c.env.incoming.headers;
    if (origin === undefined || !edge.policy().origins.has(origin)) return c.body(null, 403);
    return c.body(null, 204, { ...corsHeaders(origin), ...preflightHeaders });
  });
  app.all('*', async (c) => {
    if (!isRoutePath(c.env.incoming.url)) return answer(edge, c.env);
    await edge.servePassthrough(arriveAtRoute(edge, c.env));
    return RESPONSE_ALREADY_SENT;
  });
  return app;
}

export function arriveAtRoute(
  edge: DataEdge,
  client: Pick<HttpBindings, 'incoming' | 'outgoing'>,
  upgrading?: RouteArrived['upgrading'],
): RouteArrived {
  const { url = '' } = client.incoming;
  const query = url.indexOf('?');
  return { ...arrive(edge, client), query: query < 0 ? '' : url.slice(query), ...(upgrading && { upgrading }) };
}

function arrive(edge: DataEdge, { incoming, outgoing }: Pick<HttpBindings, 'incoming' | 'outgoing'>): Arrived {
  const policy = edge.policy();
  const requestId = edge.newId();
  const place = edge.load.enter();
  const { origin } = incoming.headers;
  const cors = origin !== undefined && policy.origins.has(origin) ? corsHeaders(origin) : {};
  const { method = '', url = '', headers, rawHeaders, httpVersion } = incoming;
  const query = url.indexOf('?');
  return {
    requestId,
    at: edge.clock.now(),
    began: edge.clock.monotonic(),
    verb: method,
    httpVersion,
    path: query < 0 ? url : url.slice(0, query),
    headers,
    rawHeaders,
    address: edge.clientAddress()(incoming),
    readBody: (bytesMax) => readBody(incoming, bytesMax, place),
    reply: replyOn(outgoing, { always: { 'x-request-id': requestId, ...cors }, stallMsMax: policy.limits.upstreamTimeoutMs, place }),
    draining: edge.draining(),
    policy,
    place,
  };
}

/** Only for origins named in `listen.origins` (WHATWG Fetch, section 3.2). */
function corsHeaders(origin: string): Record<string, string> {
  return {
    'access-control-allow-origin': origin,
    'access-control-expose-headers':
      'Mcp-Session-Id, WWW-Authenticate, X-Request-Id, X-Keygate-Over, Retry-After, RateLimit, RateLimit-Policy',
    vary: 'Origin',
  };
}

const preflightHeaders = {
  'access-control-allow-methods': 'POST, GET, DELETE',
  'access-control-allow-headers':
    'Authorization, Content-Type, Accept, Mcp-Session-Id, MCP-Protocol-Version, Mcp-Method, Mcp-Name, Last-Event-ID',
  'access-control-max-age': '600',
} as const;
