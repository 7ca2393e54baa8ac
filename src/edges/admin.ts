import type { HttpBindings } from '@hono/node-server';
import { Hono } from 'hono';
import type { UpstreamHealth } from '../domain/upstream-terms.ts';
import { apiApp } from './api/app.ts';
import type { ApiDeps } from './api/deps.ts';

export interface AdminEdge {
  /** Why this process should get no traffic, or undefined when it is ready. */
  readonly notReady: () => string | undefined;
  /** Shown by `/readyz`, and no reason to say no: an upstream that is down is down for every replica, and the others can be reached. */
  readonly health: () => readonly UpstreamHealth[];
  readonly metrics: { readonly text: () => Promise<string>; readonly contentType: string };
  readonly version: string;
  readonly api: ApiDeps;
}

/** The admin listener: never the same socket as the data plane, so no path trick leads from one to the other. */
export function adminApp(edge: AdminEdge): Hono<{ Bindings: HttpBindings }> {
  const app = new Hono<{ Bindings: HttpBindings }>();
  app.get('/livez', (c) => c.json({ status: 'live', version: edge.version }, 200, noStore));
  app.get('/readyz', (c) => {
    const reason = edge.notReady();
    const upstreams = Object.fromEntries(edge.health().map(({ upstream, ...health }) => [upstream, health]));
    return reason === undefined
      ? c.json({ status: 'ready', upstreams }, 200, noStore)
      : c.json({ status: 'not ready', reason, upstreams }, 503, noStore);
  });
  app.get('/metrics', async (c) => c.body(await edge.metrics.text(), 200, { 'content-type': edge.metrics.contentType, ...noStore }));
  app.route('/api/v1', apiApp(edge.api, 'admin'));
  // RFC 9457: problem details.
  app.notFound((c) =>
    c.json({ type: 'about:blank', title: 'Not Found', status: 404, detail: 'Here are /livez, /readyz, /metrics and /api/v1.' }, 404, {
      'content-type': 'application/problem+json',
    }),
  );
  return app;
}

const noStore = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' } as const;
