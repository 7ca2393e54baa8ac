import { Denial } from '../domain/denial.ts';
import type { UpstreamPolicy } from '../domain/policy.ts';
import { mayReach } from './authorize.ts';
import type { Authenticated } from './reached.ts';
import { keptAwayBy, type Standing } from './stand.ts';

/** The upstreams of a path that the key and its ancestors are for, at least one. @throws Denial TOOL_NOT_ALLOWED */
export function usableMembers(request: Authenticated, { members }: Standing): readonly [UpstreamPolicy, ...UpstreamPolicy[]] {
  const [first, ...others] = members.filter((member) => mayReach(request.caller, member) && !keptAwayBy(request, member.name));
  if (!first) throw new Denial('TOOL_NOT_ALLOWED', { detail: 'This key may use none of the upstreams at this path.' });
  return [first, ...others];
}
