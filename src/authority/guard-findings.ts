import type { Guard } from '../domain/guard.ts';
import { deadReason, type KeyRecord } from '../domain/key.ts';
import { patternContains } from '../domain/narrow.ts';
import { compileScopes, covers } from '../domain/scope.ts';
import type { Authority } from './authority.ts';
import { everyKey } from './list.ts';
import { type RequestProblem, RequestProblems } from './problems.ts';

/** Something that is allowed but seldom meant. `path` names the member of the request that it is about. */
export interface Finding {
  readonly guard?: Guard;
  readonly path: string;
  readonly message: string;
}

/** What an operator should read before a key is handed out. */
export interface Warnings {
  /** One sentence each. */
  readonly warnings: readonly string[];
  /** The guards that were tripped, each once. */
  readonly guards: readonly Guard[];
}

/**
 * Looks at a key as it is about to be stored.
 * @param options.ancestors whose budgets bound it too  @param options.replaced the key whose place it takes, which is no second one
 */
export async function guardFindings(
  authority: Authority,
  key: KeyRecord,
  options: { ancestors: readonly KeyRecord[]; replaced?: string },
): Promise<Finding[]> {
  const findings: Finding[] = key.scopes.flatMap((scope) => scopeFindings(key, scope));
  if (key.scopes.length === 0) findings.push({ path: 'scopes', message: 'The key has no scope, so no rule admits it to anything.' });
  if (key.expiresAt === undefined)
    findings.push({ guard: 'expiry', path: 'ttl', message: 'The key never expires: it works until someone revokes it.' });
  if (isUnclear(key.name))
    findings.push({
      guard: 'name',
      path: 'name',
      message: 'The name does not say what the key is for: whoever reads the journal must know.',
    });
  return [...findings, ...spending(authority, key, options.ancestors), ...(await duplicate(authority, key, options.replaced))];
}

/** Turns findings into warnings. @throws RequestProblems where the configuration refuses one of them */
export function heedFindings(authority: Authority, findings: readonly Finding[]): Warnings {
  const refused = findings.flatMap(({ guard, path, message }): RequestProblem[] =>
    guard !== undefined && authority.keys.guards[guard] === 'refuse' ? [{ path, message: `${message} (keys.guards.${guard})` }] : [],
  );
  if (refused.length > 0) throw new RequestProblems(refused);
  const guards = findings.flatMap(({ guard }) => (guard === undefined ? [] : [guard]));
  return { warnings: findings.map(({ message }) => message), guards: [...new Set(guards)] };
}

function scopeFindings(key: KeyRecord, scope: string): Finding[] {
  const findings: Finding[] = [];
  const segments = scope.split(':');
  const action = segments[0] === 'svc' ? segments[2] : segments[0];
  if (segments.includes('*')) {
    findings.push({
      guard: 'wildcard',
      path: 'scopes',
      message: `The scope ${scope} holds a wildcard: it also covers what is added later.`,
    });
  }
  if (key.kind !== 'operator' && (action === 'manage' || action === 'admin' || action === '*')) {
    findings.push({
      guard: 'manage',
      path: 'scopes',
      message: `The scope ${scope} lets the key change things; give it to people, not to agents.`,
    });
  }
  return findings;
}

/** Test keys spend nothing that is real, and operators call no tools. */
function spending(authority: Authority, key: KeyRecord, ancestors: readonly KeyRecord[]): Finding[] {
  if (key.kind === 'operator' || key.environment !== 'live') return [];
  if ([key, ...ancestors].some((each) => each.maxUses !== undefined || isBudgeted(key, each.budgets))) return [];
  const granted = compileScopes(key.scopes, authority.scopes);
  const reached = authority.upstreams.filter(
    ({ name, environment, pricedScopes }) =>
      environment === key.environment &&
      (key.upstreams.length === 0 || key.upstreams.includes(name)) &&
      pricedScopes.some((needed) => needed.every((scope) => covers(granted, scope))),
  );
  if (reached.length === 0) return [];
  const names = reached.map(({ name }) => name).join(', ');
  return [{ guard: 'unbudgeted', path: 'budgets', message: `The key reaches tools with a price on ${names} and has no budget.` }];
}

/** Whether a budget that refuses holds for every tool that the key may call. */
function isBudgeted({ tools }: KeyRecord, budgets: KeyRecord['budgets']): boolean {
  const bounds = budgets.filter(({ soft }) => soft !== true).map(({ tool = '*' }) => tool);
  return bounds.includes('*') || (tools.length > 0 && tools.every((tool) => bounds.some((bound) => patternContains(bound, tool))));
}

/** Children are made to be many; what they spend is their parent's. */
async function duplicate(authority: Authority, key: KeyRecord, replaced: string | undefined): Promise<Finding[]> {
  const { agentId, kind, id, parentIds, purpose = '' } = key;
  if (agentId === undefined || kind !== 'agent' || parentIds.length > 0) return [];
  const now = authority.clock.now();
  for await (const other of everyKey(authority, { agentId, kind })) {
    if (other.id === id || other.id === replaced || other.parentIds.length > 0 || deadReason(other, now)) continue;
    if ((other.purpose ?? '') !== purpose || other.orgId !== key.orgId || other.environment !== key.environment) continue;
    const message = `The agent ${agentId} already has the live key ${other.id} for the same purpose: one key each keeps the audit trail readable.`;
    return [{ guard: 'duplicate', path: 'agentId', message }];
  }
  return [];
}

const unclear = new Set(
  'test testing key keys apikey mykey newkey testkey agent agentkey bot token secret default temp tmp foo bar baz asdf qwerty abc xxx name untitled new demo'.split(
    ' ',
  ),
);

/** Shorter than three letters or digits, or a word that every key could have, whatever number follows it. */
function isUnclear(name: string): boolean {
  const letters = name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, '');
  return letters.length < 3 || unclear.has(letters.replace(/\d+$/, '')) || /^\d+$/.test(letters);
}
