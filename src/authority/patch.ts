import type { z } from 'zod';
import type { KeyRecord } from '../domain/key.ts';
import { formatMicros } from '../domain/money.ts';
import { selectorsOf } from '../domain/scope.ts';
import type { Actor, KeyFact } from '../ports/keyring.ts';
import type { Authority } from './authority.ts';
import { changeKey, requireAlive } from './change-key.ts';
import { limitsOf, reachOf } from './compose-record.ts';
import { ancestorsOf, wideningsOf } from './descent.ts';
import { guardFindings, heedFindings, type Warnings } from './guard-findings.ts';
import { judgeMint } from './judge-mint.ts';
import { type MintTerms, type PatchRequest, patchRequestSchema } from './mint-request.ts';
import { parseRequest, type RequestProblem, RequestProblems } from './problems.ts';
import { type KeyView, limitTexts, timeText, viewKey } from './view.ts';

export interface Patched extends Warnings {
  readonly record: KeyView;
}

type Changes = z.output<typeof patchRequestSchema>;

/**
 * Changes a live key: what is named and nothing else. Its next call is judged by the new record, its children's too. A lifetime counts
 * from now. The warnings are those that the change itself brings.
 * @param request the body of `PATCH /keys/{id}`: members of a mint but bindings, kind, account and environment; null takes one away
 * @throws RequestProblems, NotFound, Conflict for a dead key
 */
export async function patch(authority: Authority, id: string, request: PatchRequest | unknown, by: Actor): Promise<Patched> {
  const changes = parseRequest(patchRequestSchema, request);
  const named = Object.keys(changes).filter((name) => changes[name as keyof Changes] !== undefined);
  if (named.length === 0) throw new RequestProblems([{ path: '', message: 'names nothing to change' }]);
  let warned: Warnings = { warnings: [], guards: [] };
  const record = await changeKey(authority, id, by, async (key) => {
    requireAlive(authority, key, 'changed');
    const changed = await changedRecord(authority, { key, changes, named });
    warned = await heedNew(authority, key, changed);
    return { record: changed, fact: factOf(changed, named) };
  });
  return { record: viewKey(record, authority.clock.now()), ...warned };
}

/** The patch operation's answer as one object. */
export function patchAnswer({ record, warnings, guards }: Patched): Record<string, unknown> {
  return { ...record, warnings, guards };
}

/** The record as it would be. @throws RequestProblems, about named members alone: what stands already is not judged again */
async function changedRecord(
  authority: Authority,
  { key, changes, named }: { key: KeyRecord; changes: Changes; named: readonly string[] },
): Promise<KeyRecord> {
  const judgement = await judgeMint(authority, termsOf(key, changes));
  const hasScopes = changes.scopes !== undefined || changes.permissions !== undefined;
  const hasLife = changes.ttl !== undefined || changes.expires_days !== undefined;
  const lifePath = changes.expires_days === undefined ? 'ttl' : 'expires_days';
  const { name = key.name } = changes;
  const optional = { rate: changes.rate, maxUses: changes.maxUses, owner: changes.owner, purpose: changes.purpose };
  const record = assign(key, {
    name,
    ...(hasScopes ? { scopes: judgement.scopes } : {}),
    ...pick(limitsOf(judgement.terms), changes),
    ...pick(reachOf(judgement.terms), changes),
    ...(changes.children === undefined ? {} : { children: changes.children ? null : (false as const) }),
    ...(hasLife ? { expiresAt: judgement.expiresAt ?? null } : {}),
    ...{ ...optional, metadata: changes.metadata, onBehalfOf: changes.onBehalfOf },
  });
  const wider = wideningsOf(authority, record, await ancestorsOf(authority, key)).map(({ path, message }) =>
    path === 'expiresAt'
      ? { path: lifePath, message }
      : path.startsWith('scopes') && changes.scopes === undefined
        ? { path: 'permissions', message }
        : { path, message },
  );
  const path = changes.scopes === undefined ? 'permissions' : 'scopes';
  const problems = [...judgement.problems, ...bindingProblems(key, { path, scopes: judgement.scopes }), ...wider];
  const about = problems.filter(({ path }) => named.includes(path.replace(/[[.].*$/s, '')));
  if (about.length > 0) throw new RequestProblems(about);
  return record;
}

/** Selectors among new scopes may repeat what the key is bound to, and nothing else. */
function bindingProblems(key: KeyRecord, { path, scopes }: { path: string; scopes: readonly string[] }): RequestProblem[] {
  const { orgs, agents } = selectorsOf(scopes);
  const moved = orgs.some((id) => id !== key.orgId) || agents.some((id) => id !== key.agentId);
  return moved ? [{ path, message: 'org:<id> and agent:<id> cannot bind a key to another than it was minted for' }] : [];
}

/** The key's own terms with the changes over them, so that one judgement serves mint and change. */
function termsOf(key: KeyRecord, changes: Changes): MintTerms {
  const { permissions, ttl, expires_days, scopes = permissions === undefined ? [...key.scopes] : [] } = changes;
  return {
    name: changes.name ?? key.name,
    kind: key.kind,
    environment: key.environment,
    scopes,
    budgets: changes.budgets ?? key.budgets.map((budget) => ({ ...budget, amount: formatMicros(budget.amount) })),
    caps: changes.caps ?? key.caps.map((cap) => ({ ...cap })),
    upstreams: changes.upstreams ?? [...key.upstreams],
    tools: changes.tools ?? [...key.tools],
    addresses: changes.addresses ?? [...key.addresses],
    children: changes.children ?? key.children !== false,
    ...{ orgId: key.orgId, agentId: key.agentId, botId: key.botId, accountId: key.accountId, permissions, ttl, expires_days },
  };
}

function pick<Members extends object>(members: Members, changes: Changes): Partial<Members> {
  return Object.fromEntries(Object.entries(members).filter(([name]) => changes[name as keyof Changes] !== undefined)) as Partial<Members>;
}

/** Null takes a member away, undefined leaves it. */
function assign(key: KeyRecord, members: { [Name in keyof KeyRecord]?: KeyRecord[Name] | null | undefined }): KeyRecord {
  const record: Record<string, unknown> = { ...key };
  for (const [name, value] of Object.entries(members)) {
    if (value === null) delete record[name];
    else if (value !== undefined) record[name] = value;
  }
  return record as unknown as KeyRecord;
}

/** Only what the change brings: a key that was minted before a guard was set can still be renamed. */
async function heedNew(authority: Authority, before: KeyRecord, after: KeyRecord): Promise<Warnings> {
  const ancestors = await ancestorsOf(authority, before);
  const stood = new Set((await guardFindings(authority, before, { ancestors })).map(({ message }) => message));
  const found = await guardFindings(authority, after, { ancestors });
  return heedFindings(
    authority,
    found.filter(({ message }) => !stood.has(message)),
  );
}

/** The new values of what decides about calls. The store names what changed; free text may hold anything, so it stays out (I5). */
function factOf(key: KeyRecord, named: readonly string[]): KeyFact {
  const { scopes, upstreams, tools, addresses, maxUses = null, rate = null } = key;
  const values = {
    ...{ scopes, permissions: scopes, upstreams, tools, addresses, maxUses, rate },
    ...limitTexts(key),
  };
  const shown = Object.entries(values).filter(([name]) => named.includes(name) && name !== 'permissions');
  const hasScopes = named.includes('permissions') ? { scopes } : {};
  const hasLife = named.includes('ttl') || named.includes('expires_days');
  const life = hasLife ? { expiresAt: key.expiresAt === undefined ? null : timeText(key.expiresAt) } : {};
  return { kind: 'key.changed', ...Object.fromEntries(shown), ...hasScopes, ...life };
}
