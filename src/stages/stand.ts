import { Denial } from '../domain/denial.ts';
import type { KeyRecord } from '../domain/key.ts';
import type { Endpoint, Place, Policy, UpstreamPolicy } from '../domain/policy.ts';
import { prefixOf } from '../domain/prefix.ts';
import { uriPrefixOf } from '../domain/uri-prefix.ts';
import type { Caller } from '../ports/callers.ts';
import type { Authenticated } from './reached.ts';

type Bound = Extract<Endpoint, { kind: 'agent' | 'bot' }>;

export interface Standing {
  readonly endpoint: Endpoint;
  /** The endpoint's upstreams of the key's own environment, at least one, in configuration order. */
  readonly members: readonly UpstreamPolicy[];
}

const path = /^\/mcp(?:\/([a-z0-9][a-z0-9_-]{0,62}))?$/;

/** May this key stand there at all: endpoint, kind and binding, environment, address, in this order. Nothing is counted. */
export function stand(authenticated: Authenticated): Standing {
  const endpoint = endpointAt(authenticated.policy, authenticated.path);
  if (!endpoint) throw new Denial('UNKNOWN_ENDPOINT');
  return standAt(endpoint, authenticated);
}

/** The same for an endpoint that was found in another way. @throws Denial */
export function standAt(endpoint: Endpoint, { caller, policy, address }: Pick<Authenticated, 'caller' | 'policy' | 'address'>): Standing {
  refuseOperator(caller);
  if (endpoint.kind === 'agent' || endpoint.kind === 'bot') refuseUnbound(endpoint, caller);
  const members = ofEnvironment(endpoint, { caller, policy });
  if (!caller.admitsAddress(address)) throw new Denial('ADDRESS_NOT_ALLOWED');
  return { endpoint, members };
}

/** What stands at a path, configured or not for the key that asks. */
export function endpointAt(policy: Policy, asked: string): Endpoint | undefined {
  const found = path.exec(asked);
  if (!found) return undefined;
  if (found[1] !== undefined) return policy.endpoints.get(found[1]);
  return policy.upstreams.size === 0 ? undefined : { kind: 'all', upstreams: [...policy.upstreams.keys()] };
}

/** Whether what is asked there may be for any of several upstreams, however many of them this key may use. */
export function isAggregate(endpoint: Endpoint): boolean {
  return endpoint.kind === 'all' || (endpoint.kind !== 'upstream' && endpoint.upstreams.length > 1);
}

export function namesAt(endpoint: Endpoint): readonly string[] {
  return endpoint.kind === 'upstream' ? [endpoint.upstream] : endpoint.upstreams;
}

/** The endpoint with the one of its upstreams that answers. */
export function placeOf(endpoint: Endpoint, upstream: string): Place {
  if (endpoint.kind === 'upstream') return endpoint;
  const named = { kind: endpoint.kind, id: endpoint.kind === 'all' ? '' : endpoint.id, upstream, prefix: prefixOf(upstream) };
  return isAggregate(endpoint) ? { ...named, uriPrefix: uriPrefixOf(upstream) } : named;
}

function ofEnvironment(endpoint: Endpoint, { caller, policy }: Pick<Authenticated, 'caller' | 'policy'>): UpstreamPolicy[] {
  const { environment } = caller.key;
  const every = namesAt(endpoint).map((name) => {
    const upstream = policy.upstreams.get(name)?.policy;
    if (!upstream) throw new Error(`the endpoint of upstream ${name} has no upstream`);
    return upstream;
  });
  const members = every.filter((upstream) => upstream.environment === environment);
  const [other] = every;
  if (members.length > 0 || !other) return members;
  const only = every.length === 1 ? `the upstream ${other.name} is a ${other.environment} one` : 'no upstream here is';
  throw new Denial('WRONG_ENVIRONMENT', {
    detail: `This is a ${environment} key, and ${only}.`,
    facts: { key: environment, upstream: other.environment },
  });
}

function refuseOperator({ key }: Caller): void {
  if (key.kind !== 'operator') return;
  throw new Denial('WRONG_KEY_KIND', {
    detail: 'An operator key administers; it does not call tools. Mint an agent key.',
    facts: { key: 'operator' },
  });
}

/** The path of an agent or a bot is for its own keys alone; an ancestor bound to another keeps its children away from it (I7). */
function refuseUnbound(endpoint: Bound, { key, ancestors }: Caller): void {
  const { kind, id, org } = endpoint;
  if (key.kind !== kind) {
    throw new Denial('WRONG_KEY_KIND', {
      detail: `This path is for keys of kind ${kind}, and this key is of kind ${key.kind}.`,
      facts: { key: key.kind, needed: kind },
    });
  }
  const bound = boundId(key, kind);
  if (bound !== id) {
    const owner = bound === undefined ? `no ${kind}` : `the ${kind} ${bound}`;
    throw new Denial('WRONG_ENDPOINT', { detail: `This key is bound to ${owner}, and this is the path of ${id}.` });
  }
  if (ancestors.some((ancestor) => (boundId(ancestor, kind) ?? id) !== id)) {
    throw new Denial('WRONG_ENDPOINT', { detail: `A key that this one descends from is bound to another ${kind} than ${id}.` });
  }
  if (org !== undefined && (key.orgId !== org || ancestors.some((ancestor) => (ancestor.orgId ?? org) !== org))) {
    throw new Denial('WRONG_ENDPOINT', { detail: `The ${kind} ${id} is of another organisation than this key.` });
  }
}

/** The agent or bot whose configuration keeps this key from the upstream. Every binding of the key and of its ancestors narrows. */
export function keptAwayBy({ caller, policy }: Pick<Authenticated, 'caller' | 'policy'>, upstream: string): Bound | undefined {
  for (const key of [caller.key, ...caller.ancestors]) {
    for (const kind of ['agent', 'bot'] as const) {
      const home = configured(policy, { kind, id: boundId(key, kind) });
      if (home && !home.upstreams.includes(upstream)) return home;
    }
  }
  return undefined;
}

function configured(policy: Policy, { kind, id }: { kind: Bound['kind']; id: string | undefined }): Bound | undefined {
  const endpoint = id === undefined ? undefined : policy.endpoints.get(id);
  return endpoint?.kind === kind ? endpoint : undefined;
}

function boundId(key: KeyRecord, kind: Bound['kind']): string | undefined {
  return kind === 'agent' ? key.agentId : key.botId;
}
