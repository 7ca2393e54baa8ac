import type { Reason } from '../domain/denial.ts';
import type { KeyRecord } from '../domain/key.ts';
import type { Caller } from '../ports/callers.ts';
import type { Actor } from '../ports/keyring.ts';
import type { Authority } from './authority.ts';
import type { RequestProblem } from './problems.ts';

/** A management act, as the API and the dashboard offer it. */
export type Act =
  | 'keys.read'
  | 'keys.mint'
  | 'keys.patch'
  | 'keys.rotate'
  | 'keys.revoke'
  /** By filter, which only an organisation confines: no act of an agent's or bot's key. */
  | 'keys.revokeMany'
  | 'keys.reissue'
  | 'keys.delete'
  | 'keys.child'
  | 'keys.explain'
  | 'leaks.report'
  | 'usage.read'
  | 'upstreams.read'
  | 'journal.read'
  /** What belongs to no organisation: accounts, the chain of the journal, bulk acts without a filter of their own. */
  | 'gateway.read'
  | 'gateway.change';

/** Who asks: a key, or a person at the dashboard who logged in as an operator. */
export type Acting = ActingKey | { readonly orgId?: string };
type ActingKey = Pick<Caller, 'key' | 'grants' | 'accessToken'>;

/** Whose key an act is about: that of a stored key, or of one to be minted. */
export type Target = Partial<Pick<KeyRecord, 'id' | 'kind' | 'orgId' | 'agentId' | 'botId' | 'parentIds'>>;

const reading: ReadonlySet<Act> = new Set(['keys.read', 'keys.explain', 'usage.read', 'upstreams.read', 'journal.read', 'gateway.read']);
/** What a key of an agent or bot may do to the keys of its own agent or bot, with `manage` and a fresh step-up. */
const ownActs: ReadonlySet<Act> = new Set(['keys.mint', 'keys.rotate', 'keys.revoke']);
/** Acts that give out a secret. It would outlive an access token, and hold what the token was cut down from. */
const secretActs: ReadonlySet<Act> = new Set(['keys.mint', 'keys.child', 'keys.rotate', 'keys.reissue']);

/**
 * Why this act is refused; undefined where it may go on. Whether a step-up is fresh, and whether a new key is within the one that mints it,
 * is judged elsewhere: by the API, and by `mint` with `holder`.
 * @param target left out where the act is about no one key: an operator confined to an organisation then sees that of its own
 */
export function permits(acting: Acting, act: Act, target?: Target): Reason | undefined {
  if (!('key' in acting)) return permitsOrg(acting.orgId, act, target);
  const { key, grants, accessToken } = acting;
  if (act === 'leaks.report') return undefined;
  if (accessToken !== undefined && secretActs.has(act)) return 'WRONG_KEY_KIND';
  if (act === 'keys.child' && target?.id === key.id) return undefined;
  if (key.kind !== 'operator') return permitsOwn(acting, act, target);
  if (!grants('manage') && !(reading.has(act) && grants('read'))) return 'INSUFFICIENT_SCOPE';
  return permitsOrg(key.orgId, act, target);
}

/** What one act of an actor goes into the journal as, confined where its key is. */
export function actorOf(acting: Acting): Actor {
  const orgId = 'key' in acting ? acting.key.orgId : acting.orgId;
  return { via: 'api', ...('key' in acting ? { keyId: acting.key.id } : {}), ...(orgId === undefined ? {} : { orgId }) };
}

function permitsOrg(orgId: string | undefined, act: Act, target: Target | undefined): Reason | undefined {
  if (orgId === undefined) return undefined;
  if (act === 'gateway.read' || act === 'gateway.change') return 'INSUFFICIENT_SCOPE';
  return target === undefined || stays(orgId, target, 'orgId') ? undefined : 'INSUFFICIENT_SCOPE';
}

function permitsOwn({ key, grants }: ActingKey, act: Act, target: Target | undefined): Reason | undefined {
  if (!ownActs.has(act)) return act === 'keys.child' ? 'INSUFFICIENT_SCOPE' : 'WRONG_KEY_KIND';
  if (!grants('manage') || target === undefined) return 'INSUFFICIENT_SCOPE';
  if (target.id !== undefined && target.id === key.id) return undefined;
  return isOwn(key, target) ? undefined : 'INSUFFICIENT_SCOPE';
}

/** Of the same agent or bot, in the same organisation; and no ancestor, which would free the key from what binds it. */
function isOwn(key: KeyRecord, target: Target): boolean {
  if (!stays(key.kind, target, 'kind') || !stays(key.orgId, target, 'orgId')) return false;
  if (target.id !== undefined && key.parentIds.includes(target.id)) return false;
  const bound = key.kind === 'bot' ? 'botId' : 'agentId';
  return key[bound] !== undefined && stays(key[bound], target, bound);
}

/** A key that is to be minted has what its request leaves out from whoever mints it. */
function stays(own: string | undefined, target: Target, member: 'kind' | 'orgId' | 'agentId' | 'botId'): boolean {
  return target[member] === own || (target.id === undefined && target[member] === undefined);
}

/** The request of an operator that is confined: without an organisation, its own is meant. */
export function confinedRequest(request: unknown, by: Actor): unknown {
  if (by.orgId === undefined || typeof request !== 'object' || request === null || Array.isArray(request)) return request;
  const { orgId = by.orgId } = request as { orgId?: unknown };
  return { ...request, orgId };
}

/** What a confined operator may not mint. Accounts belong to nobody, so those are meant that keys of the organisation use already. */
export async function confinedProblems(authority: Authority, record: KeyRecord, by: Actor): Promise<RequestProblem[]> {
  const { orgId } = by;
  if (orgId === undefined) return [];
  const problems: RequestProblem[] = [];
  if (record.orgId !== orgId) problems.push({ path: 'orgId', message: `must be ${orgId}, to which you are confined` });
  const { accountId } = record;
  if (accountId !== undefined && (await authority.keyring.list({ filter: { orgId, accountId }, limit: 1 })).keys.length === 0) {
    problems.push({
      path: 'accountId',
      message: `no key of ${orgId} uses this account; an operator who is not confined must mint the first one`,
    });
  }
  return problems;
}

/** Whether a key has limits that are counted, by itself or through an ancestor: it must not get hold of a key beside it. */
export function isLimited({ parentIds, budgets, caps, maxUses, rate }: KeyRecord): boolean {
  return parentIds.length + budgets.length + caps.length > 0 || maxUses !== undefined || rate !== undefined;
}

/** Limits that are counted, rates among them, would be counted anew for a key beside its holder, and what descends would escape its line: such keys have children. */
export function holderProblems(record: KeyRecord, holder: KeyRecord | undefined): RequestProblem[] {
  if (holder === undefined || record.parentIds.includes(holder.id)) return [];
  if (record.parentIds.length > 0) return [{ path: 'parentId', message: `must be ${holder.id}, the key that asks` }];
  if (!isLimited(holder)) return [];
  return [{ path: 'parentId', message: `must be ${holder.id}: a key with limits or ancestors of its own may only mint children` }];
}
