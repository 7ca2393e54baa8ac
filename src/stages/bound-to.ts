import type { Place } from '../domain/policy.ts';
import type { Located } from './reached.ts';

/**
 * What sealed ids are bound to: the key, the path it stood at, the upstream behind that path, and the session where there is one. A
 * session that was begun at one path is unknown at every other, so it cannot carry one path's policy to another.
 */
export function boundTo({ caller, endpoint, upstream }: Pick<Located, 'caller' | 'endpoint' | 'upstream'>, session?: string): string[] {
  return [caller.key.id, nameOf(endpoint), upstream.name, session ?? ''];
}

/** Kinds share one namespace; the kind is named all the same, since a reload may give a name to another kind. */
function nameOf(endpoint: Place): string {
  return endpoint.kind === 'upstream' ? `upstream:${endpoint.upstream}` : `${endpoint.kind}:${endpoint.id}`;
}
