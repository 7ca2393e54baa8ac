import { requireScopes, requireUpstream } from './authorize.ts';
import type { RouteAuthorized, RouteLocated } from './route-reached.ts';

/** May they? Binding and scopes, as for messages. A route without a price counts against no limit but the rate. @throws Denial */
export function authorizeRoute(located: RouteLocated): RouteAuthorized {
  const { rule } = located.route;
  requireUpstream(located);
  requireScopes(located, rule);
  const subject = { resource: located.target.path };
  return { ...located, intent: { kind: 'route' }, rule, subject, price: rule.price, counts: rule.price > 0, totals: [] };
}
