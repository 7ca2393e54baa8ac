import { Denial } from '../domain/denial.ts';
import type { UpstreamPolicy } from '../domain/policy.ts';
import { memberNamed } from './choose-member.ts';
import type { Ports } from './ports.ts';
import type { Authenticated, Located } from './reached.ts';
import { keptAwayBy, placeOf, stand } from './stand.ts';
import { takeRates } from './take-rates.ts';

/** Where to, and may this key stand there at all: endpoint, kind and binding, environment, address, rate, in this order. */
export async function locate(ports: Pick<Ports, 'throttle'>, authenticated: Authenticated): Promise<Located> {
  const { endpoint, members } = stand(authenticated);
  const upstream = oneOf(members, authenticated);
  // What is sent to one member of an aggregate was counted there, as the one request that it is part of.
  if (authenticated.member === undefined) await takeRates(ports, { ...authenticated, ruleRevision: upstream.revision });
  refuseElsewhere(upstream.name, authenticated);
  return { ...authenticated, endpoint: placeOf(endpoint, upstream.name), upstream };
}

/** The upstream that was chosen, or that the message names. A dry run may name none: what it names is then refused where names are judged. */
function oneOf(members: readonly UpstreamPolicy[], { member, scanned }: Authenticated): UpstreamPolicy {
  const named = scanned?.ok && scanned.message.kind === 'request' ? memberNamed(members, scanned.message) : undefined;
  const chosen = member === undefined ? (named ?? members[0]) : members.find(({ name }) => name === member);
  if (chosen) return chosen;
  throw new Denial('TOOL_NOT_ALLOWED', { detail: `The upstream ${member} is none of those at this path.` });
}

/** Keys of a configured agent or bot reach only what its configuration names, also at an upstream's own path; every binding of a key narrows. */
function refuseElsewhere(upstream: string, authenticated: Authenticated): void {
  const home = keptAwayBy(authenticated, upstream);
  if (!home) return;
  throw new Denial('TOOL_NOT_ALLOWED', {
    detail: `This key is bound to the ${home.kind} ${home.id}, whose configuration does not name the upstream ${upstream}.`,
    facts: { upstream },
  });
}
