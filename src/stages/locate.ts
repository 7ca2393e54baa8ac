import { Denial } from '../domain/denial.ts';
import type { KeyRecord } from '../domain/key.ts';
import type { Endpoint, Policy } from '../domain/policy.ts';
import type { Caller } from '../ports/callers.ts';
import type { Ports } from './ports.ts';
import type { Authenticated, Located } from './reached.ts';
import { takeRates } from './take-rates.ts';

type Bound = Exclude<Endpoint, { kind: 'upstream' }>;

const path = /^\/mcp\/([a-z0-9][a-z0-9_-]{0,62})$/;

/** Where to, and may this key stand there at all: endpoint, kind and binding, environment, address, rate, in this order. */
export async function locate(ports: Pick<Ports, 'throttle'>, authenticated: Authenticated): Promise<Located> {
  const { policy } = authenticated;
  const endpoint = policy.endpoints.get(path.exec(authenticated.path)?.[1] ?? '');
  if (!endpoint) throw new Denial('UNKNOWN_ENDPOINT');
  const upstream = policy.upstreams.get(endpoint.upstream)?.policy;
  if (!upstream) throw new Error(`the endpoint of upstream ${endpoint.upstream} has no upstream`);
  await requireStanding(ports, authenticated, { endpoint, upstream });
  return { ...authenticated, endpoint, upstream };
}

/** What a key must be to stand at an endpoint, whatever it asks for there. @throws Denial */
export async function requireStanding(
  ports: Pick<Ports, 'throttle'>,
  asking: Pick<Authenticated, 'caller' | 'policy' | 'address' | 'reply'>,
  { endpoint, upstream }: Pick<Located, 'endpoint' | 'upstream'>,
): Promise<void> {
  const { caller, address } = asking;
  refuseOperator(caller);
  if (endpoint.kind !== 'upstream') refuseUnbound(endpoint, caller);
  const { environment } = caller.key;
  if (environment !== upstream.environment) {
    throw new Denial('WRONG_ENVIRONMENT', {
      detail: `This is a ${environment} key, and the upstream ${upstream.name} is a ${upstream.environment} one.`,
      facts: { key: environment, upstream: upstream.environment },
    });
  }
  if (!caller.admitsAddress(address)) throw new Denial('ADDRESS_NOT_ALLOWED');
  await takeRates(ports, { ...asking, ruleRevision: upstream.revision });
  refuseElsewhere(upstream.name, asking);
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

/** Keys of a configured agent or bot reach only what its configuration names, also at an upstream's own path; every binding of a key narrows. */
function refuseElsewhere(upstream: string, { caller, policy }: Pick<Authenticated, 'caller' | 'policy'>): void {
  for (const key of [caller.key, ...caller.ancestors]) {
    for (const kind of ['agent', 'bot'] as const) {
      const home = configured(policy, { kind, id: boundId(key, kind) });
      if (!home || home.upstream === upstream) continue;
      throw new Denial('TOOL_NOT_ALLOWED', {
        detail: `This key is bound to the ${kind} ${home.id}, whose configuration does not name the upstream ${upstream}.`,
        facts: { upstream },
      });
    }
  }
}

function configured(policy: Policy, { kind, id }: { kind: Bound['kind']; id: string | undefined }): Bound | undefined {
  const endpoint = id === undefined ? undefined : policy.endpoints.get(id);
  return endpoint?.kind === kind ? endpoint : undefined;
}

function boundId(key: KeyRecord, kind: Bound['kind']): string | undefined {
  return kind === 'agent' ? key.agentId : key.botId;
}
