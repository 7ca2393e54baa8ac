import { Denial } from '../domain/denial.ts';
import { gateOf } from '../domain/method.ts';
import type { Endpoint, UpstreamPolicy } from '../domain/policy.ts';
import { namedIn } from '../domain/prefix.ts';
import { chooseMember } from './choose-member.ts';
import type { Ports } from './ports.ts';
import type { Authenticated, Located } from './reached.ts';
import { isAggregate, keptAwayBy, placeOf, type Standing, stand, standAt } from './stand.ts';
import { takeRates } from './take-rates.ts';
import { usableMembers } from './usable-members.ts';

/** Where to, and may this key stand there at all: endpoint, kind and binding, environment, address, rate, in this order. */
export async function locate(ports: Pick<Ports, 'throttle'>, authenticated: Authenticated): Promise<Located> {
  const standing = stand(authenticated);
  const upstream = oneOf(standing, authenticated);
  // What is sent to one member of an aggregate was counted there, as the one request that it is part of.
  const { caller, reply } = authenticated;
  const taking = authenticated.member === undefined ? takeRates(ports, { caller, reply, ruleRevision: upstream.revision }) : undefined;
  if (taking) await taking;
  refuseElsewhere(upstream.name, authenticated);
  return { ...authenticated, endpoint: placeOf(standing.endpoint, upstream.name), upstream };
}

/** What a key must be to stand before an upstream's own routes, whatever it asks for there. @throws Denial */
export async function requireStanding(
  ports: Pick<Ports, 'throttle'>,
  asking: Pick<Authenticated, 'caller' | 'policy' | 'address' | 'reply'>,
  { endpoint, upstream }: { endpoint: Endpoint; upstream: UpstreamPolicy },
): Promise<void> {
  standAt(endpoint, asking);
  const { caller, reply } = asking;
  await takeRates(ports, { caller, reply, ruleRevision: upstream.revision });
  refuseElsewhere(upstream.name, asking);
}

/** The upstream that was chosen; the only one; or, for a dry run, the one that would be chosen for what the message names, if anything. */
function oneOf(standing: Standing, request: Authenticated): UpstreamPolicy {
  const { endpoint, members } = standing;
  const { member, scanned, caller } = request;
  const [first] = members;
  const chosen = member === undefined ? first : members.find(({ name }) => name === member);
  if (!chosen) throw new Denial('TOOL_NOT_ALLOWED', { detail: `The upstream ${member} is none of those at this path.` });
  if (member !== undefined || !isAggregate(endpoint)) return chosen;
  const usable = usableMembers(request, standing);
  const message = scanned?.ok && scanned.message.kind === 'request' ? scanned.message : undefined;
  const named = message && namedIn(message, gateOf(message.method, 'session'));
  return message && named?.name ? chooseMember({ members: usable, caller, era: 'session' }, message) : usable[0];
}

/** Keys of a configured agent or bot reach only what its configuration names, also at an upstream's own path; every binding of a key narrows. */
function refuseElsewhere(upstream: string, asking: Pick<Authenticated, 'caller' | 'policy'>): void {
  const home = keptAwayBy(asking, upstream);
  if (!home) return;
  throw new Denial('TOOL_NOT_ALLOWED', {
    detail: `This key is bound to the ${home.kind} ${home.id}, whose configuration does not name the upstream ${upstream}.`,
    facts: { upstream },
  });
}
