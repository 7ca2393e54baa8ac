import { permissionsToScopes, scopeProblem, selectorsOf } from '../domain/scope.ts';
import type { Authority } from './authority.ts';
import { formatLifetime, parseLifetime } from './duration.ts';
import { identifierSchema, type MintTerms } from './mint-request.ts';
import type { RequestProblem } from './problems.ts';

/** The terms of a new key once everything that depends on configuration and store is known. */
export interface MintJudgement {
  readonly terms: MintTerms;
  readonly problems: readonly RequestProblem[];
  /** Those of `scopes` and `permissions` together, each once. */
  readonly scopes: readonly string[];
  readonly orgId: string | undefined;
  readonly agentId: string | undefined;
  readonly createdAt: number;
  readonly expiresAt: number | undefined;
}

/**
 * Judges what the schema alone cannot: bindings, lifetime, and names that must exist. Reports all problems at once.
 * @param options.notAfter the end of a key that says none is no later than this (ms since the epoch)
 */
export async function judgeMint(
  authority: Authority,
  terms: MintTerms,
  options: { notAfter?: number | undefined } = {},
): Promise<MintJudgement> {
  const problems: RequestProblem[] = [];
  const createdAt = authority.clock.now();
  const scopes = grantedScopes(terms, problems);
  const { orgId, agentId } = bindings(terms, scopes, problems);
  const expiresAt = expiry(authority, { terms, createdAt, notAfter: options.notAfter }, problems);
  judgeKind(terms, problems);
  judgeRepeats(terms, problems);
  judgeUpstreams(authority, terms, problems);
  if (terms.accountId !== undefined && (await authority.ledger.account(terms.accountId)) === undefined) {
    problems.push({ path: 'accountId', message: `there is no account "${terms.accountId}"` });
  }
  return { terms, problems, scopes, orgId, agentId, createdAt, expiresAt };
}

function grantedScopes(terms: MintTerms, problems: RequestProblem[]): string[] {
  const permitted = permissionsToScopes(terms.permissions ?? {});
  for (const scope of permitted) {
    const problem = scopeProblem(scope);
    if (problem !== undefined) problems.push({ path: 'permissions', message: `"${scope}": ${problem}` });
  }
  return [...new Set([...terms.scopes, ...permitted])];
}

/** `org:<id>` and `agent:<id>` among the scopes bind the key as orgId and agentId do; the two must not contradict each other. */
function bindings(
  terms: MintTerms,
  scopes: readonly string[],
  problems: RequestProblem[],
): { orgId: string | undefined; agentId: string | undefined } {
  const selectors = selectorsOf(scopes);
  const bind = (member: 'orgId' | 'agentId', action: string, selected: readonly string[]): string | undefined => {
    const bound = new Set([...(terms[member] === undefined ? [] : [terms[member]]), ...selected]);
    if (bound.size > 1) {
      problems.push({ path: member, message: `${action}: scopes and ${member} bind the key to more than one: ${[...bound].join(', ')}` });
    }
    for (const id of selected) {
      if (!identifierSchema.safeParse(id).success)
        problems.push({ path: 'scopes', message: `"${action}:${id}" names no possible ${action}` });
    }
    return [...bound][0];
  };
  return { orgId: bind('orgId', 'org', selectors.orgs), agentId: bind('agentId', 'agent', selectors.agents) };
}

function expiry(
  authority: Authority,
  { terms, createdAt, notAfter = Number.POSITIVE_INFINITY }: { terms: MintTerms; createdAt: number; notAfter?: number | undefined },
  problems: RequestProblem[],
): number | undefined {
  const { defaultMs, maxMs, required } = authority.keys.expiry;
  if (terms.ttl !== undefined && terms.expires_days !== undefined) {
    problems.push({ path: 'ttl', message: 'give either ttl or expires_days, not both' });
    return undefined;
  }
  const path = terms.expires_days !== undefined ? 'expires_days' : 'ttl';
  const isSilent = terms.expires_days === undefined && terms.ttl === undefined;
  if (isSilent && notAfter < createdAt + Math.min(defaultMs ?? Number.POSITIVE_INFINITY, maxMs ?? Number.POSITIVE_INFINITY))
    return notAfter;
  const asked = terms.expires_days !== undefined ? terms.expires_days * 86_400_000 : isSilent ? defaultMs : parseLifetime(terms.ttl ?? '');
  if (asked === undefined) {
    if (required) problems.push({ path, message: 'keys must expire here (keys.expiry.required)' });
    else if (maxMs !== undefined) problems.push({ path, message: `keys live at most ${formatLifetime(maxMs)} here (keys.expiry.max)` });
    return undefined;
  }
  if (maxMs !== undefined && asked > maxMs) {
    problems.push({ path, message: `keys live at most ${formatLifetime(maxMs)} here (keys.expiry.max)` });
  }
  return createdAt + asked;
}

function judgeKind(terms: MintTerms, problems: RequestProblem[]): void {
  if (terms.kind === 'bot' && terms.botId === undefined)
    problems.push({ path: 'botId', message: 'a key of kind bot is bound to one bot: name it' });
  if (terms.kind !== 'bot' && terms.botId !== undefined)
    problems.push({ path: 'botId', message: 'only a key of kind bot is bound to a bot' });
}

/** Two hard limits, or two soft ones, over the same window would share one counter, and only the smaller could ever mean anything. */
export function judgeRepeats(terms: Pick<MintTerms, 'budgets' | 'caps'>, problems: RequestProblem[]): void {
  const repeated = (path: string, names: readonly string[]): void => {
    for (const [at, name] of names.entries()) {
      if (names.indexOf(name) !== at) problems.push({ path: `${path}[${at}]`, message: 'repeats an earlier one over the same window' });
    }
  };
  // A total never resets, so its zone has no say.
  const countedBy = ({ per, zone, tool = '', soft = false }: MintTerms['budgets'][number] | MintTerms['caps'][number]): string =>
    JSON.stringify([per, per === 'total' ? '' : zone, tool, soft]);
  repeated('budgets', terms.budgets.map(countedBy));
  repeated('caps', terms.caps.map(countedBy));
}

function judgeUpstreams(authority: Authority, terms: MintTerms, problems: RequestProblem[]): void {
  for (const [at, name] of terms.upstreams.entries()) {
    const upstream = authority.upstreams.find((known) => known.name === name);
    const path = `upstreams[${at}]`;
    if (upstream === undefined) problems.push({ path, message: `there is no upstream "${name}" in the configuration` });
    else if (upstream.environment !== terms.environment) {
      problems.push({ path, message: `"${name}" is a ${upstream.environment} upstream, and a ${terms.environment} key cannot reach it` });
    }
  }
}
