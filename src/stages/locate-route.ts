import { Denial } from '../domain/denial.ts';
import { readRoutePath } from '../domain/route-path.ts';
import { requireStanding } from './locate.ts';
import type { Ports } from './ports.ts';
import type { RouteAuthenticated, RouteLocated } from './route-reached.ts';

/**
 * Which declared route, and may this key stand at its upstream at all? The order is that of messages: endpoint, kind and binding, environment,
 * address, rate, and only then what is asked for there. A path that could be read in two ways is the path of nothing (A12).
 */
export async function locateRoute(ports: Pick<Ports, 'throttle'>, authenticated: RouteAuthenticated): Promise<RouteLocated> {
  const { policy, target, verb, upgrading } = authenticated;
  const configured = policy.upstreams.get(target.upstream);
  const endpoint = policy.endpoints.get(target.upstream);
  if (!configured || endpoint?.kind !== 'upstream') throw nothingHere();
  await requireStanding(ports, authenticated, { endpoint, upstream: configured.policy });
  const path = readRoutePath(target.path);
  const found = path && configured.routes.find({ path, method: verb, websocket: upgrading !== undefined });
  if (!found || found.kind === 'none') throw nothingHere();
  if (found.kind === 'method') throw new Denial('METHOD_NOT_ALLOWED', { facts: { allow: found.allow } });
  return { ...authenticated, endpoint, upstream: configured.policy, route: found.route, sentPath: found.path };
}

function nothingHere(): Denial {
  return new Denial('UNKNOWN_ENDPOINT', { detail: 'No such pass-through route is declared.' });
}
