import { Denial } from '../domain/denial.ts';
import type { Ports } from './ports.ts';
import type { Authenticated, Located } from './reached.ts';

const endpoint = /^\/mcp\/([a-z0-9][a-z0-9_-]{0,62})$/;

/** Where to, and may this key stand there at all: endpoint, kind, environment, address, rate, in this order. */
export async function locate(ports: Pick<Ports, 'throttle'>, authenticated: Authenticated): Promise<Located> {
  const { caller, policy, path, address } = authenticated;
  const { key } = caller;
  const name = endpoint.exec(path)?.[1];
  const upstream = name === undefined ? undefined : policy.upstreams.get(name)?.policy;
  if (!upstream) throw new Denial('UNKNOWN_ENDPOINT');
  if (key.kind === 'operator') {
    throw new Denial('WRONG_KEY_KIND', { detail: 'An operator key administers; it does not call tools. Mint an agent key.' });
  }
  if (key.environment !== upstream.environment) {
    throw new Denial('WRONG_ENVIRONMENT', { facts: { key: key.environment, upstream: upstream.environment } });
  }
  if (!caller.admitsAddress(address)) throw new Denial('ADDRESS_NOT_ALLOWED');
  await refuseTooFast(ports, authenticated);
  return { ...authenticated, upstream };
}

/** A child shares its ancestors' rates: each limit is taken in turn. */
async function refuseTooFast(ports: Pick<Ports, 'throttle'>, { caller }: Authenticated): Promise<void> {
  for (const key of [caller.key, ...caller.ancestors]) {
    if (!key.rate) continue;
    const taken = await ports.throttle.take({ key: key.id, ...key.rate });
    if (taken.allowed) continue;
    throw new Denial('RATE_LIMITED', {
      facts: { rule: `key:${key.id} rate`, limit: `${key.rate.calls}/${key.rate.perSeconds}s`, retryAfterMs: taken.retryAfterMs },
    });
  }
}
