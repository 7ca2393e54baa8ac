import { deadReason, type KeyRecord } from '../domain/key.ts';
import { type Widening, wideningOf } from '../domain/narrow.ts';
import type { Actor } from '../ports/keyring.ts';
import type { Authority } from './authority.ts';
import type { RequestProblem } from './problems.ts';

/** The parent that a request names, and everything above it; from the parent up. */
export type Line = readonly [KeyRecord, ...KeyRecord[]];

/** The parent and its ancestors, where it may have a child now; else what stands against it. */
export async function lineOfParent(
  authority: Authority,
  parentId: string,
  by: Actor,
): Promise<{ line: Line } | { problem: RequestProblem }> {
  const parent = /^[0-9A-Za-z]{8}$/.test(parentId) ? await authority.keyring.get(parentId) : undefined;
  const refused = (message: string): { problem: RequestProblem } => ({ problem: { path: 'parentId', message } });
  // A key of another organisation is told apart from none by nothing.
  if (!parent || (by.orgId !== undefined && parent.orgId !== by.orgId)) return refused('there is no key with this id');
  const line: Line = [parent, ...(await ancestorsOf(authority, parent))];
  const now = authority.clock.now();
  if (line.length <= parent.parentIds.length) return refused('an ancestor of the parent was deleted');
  for (const each of line) {
    const dead = deadReason(each, now);
    const whose = each === parent ? 'the parent' : `its ancestor ${each.id}`;
    if (dead) return refused(`${whose} ${dead === 'TOKEN_REVOKED' ? 'was revoked' : 'has expired'}`);
  }
  if (parent.children === false) return refused('the parent may not have children');
  const { depthMax } = authority.keys.children;
  if (line.length > depthMax) return refused(`keys may descend at most ${depthMax} deep here (keys.children.depthMax)`);
  return { line };
}

/** The ancestors that are still there, from the parent up. */
export async function ancestorsOf(authority: Pick<Authority, 'keyring'>, key: KeyRecord): Promise<KeyRecord[]> {
  const read = await Promise.all(key.parentIds.map((id) => authority.keyring.get(id)));
  return read.filter((ancestor) => ancestor !== undefined);
}

/** In what a record is wider than any of those above it, each member once. An ancestor may have been narrowed after its child was made. */
export function wideningsOf(authority: Authority, record: KeyRecord, above: readonly KeyRecord[]): Widening[] {
  const found = above.flatMap((ancestor) => wideningOf(record, ancestor, authority.scopes));
  return found.filter(({ path }, at) => found.findIndex((other) => other.path === path) === at);
}

/** What a request leaves out, as the key has it that the new one comes from. Everything else is judged as written. */
export function inherited(request: unknown, from: KeyRecord): unknown {
  if (typeof request !== 'object' || request === null || Array.isArray(request)) return request;
  const { kind, environment, orgId, agentId, botId, accountId, onBehalfOf, owner, scopes, upstreams, tools, addresses, rate } = from;
  const written = Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined));
  const grants = Object.hasOwn(written, 'permissions') ? {} : { scopes };
  const terms = {
    ...{ kind, environment, orgId, agentId, botId, accountId, onBehalfOf, owner, upstreams, tools, addresses, rate },
    ...grants,
  };
  return { ...Object.fromEntries(Object.entries(terms).filter(([, value]) => value !== undefined)), ...written };
}
