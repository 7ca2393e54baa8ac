import { blockContains } from './address-block.ts';
import { compileGlob } from './glob.ts';
import type { Budget, Cap, KeyRecord } from './key.ts';
import { compileScopes, isWithin, type ScopeOrder, selectorsOf } from './scope.ts';

/** What a key may do, and whose it is: everything that a narrower key must stay inside of. */
export type Grant = Pick<
  KeyRecord,
  | 'kind'
  | 'environment'
  | 'orgId'
  | 'agentId'
  | 'botId'
  | 'accountId'
  | 'onBehalfOf'
  | 'scopes'
  | 'upstreams'
  | 'tools'
  | 'addresses'
  | 'budgets'
  | 'caps'
  | 'rate'
  | 'maxUses'
  | 'expiresAt'
>;

/** One way in which a grant is wider than another. `path` names the member of the record, with its place in a list. */
export interface Widening {
  readonly path: string;
  readonly message: string;
}

/**
 * In how many ways a grant is wider than the one it must stay inside of; none when it is within (I7). Whatever a key admits that is within,
 * the other would admit too. Limits that the narrower one leaves out are no widening: a descendant's calls count against every ancestor.
 */
export function wideningOf(child: Grant, parent: Grant, order: ScopeOrder): Widening[] {
  return [
    ...bindingsOf(child, parent),
    ...scopesOf(child, parent, order),
    ...listOf('upstreams', child.upstreams, parent.upstreams, (outer, inner) => outer === inner),
    ...listOf('tools', child.tools, parent.tools, patternContains),
    ...listOf('addresses', child.addresses, parent.addresses, blockContains),
    ...expiryOf(child, parent),
    ...limitsOf(child, parent),
  ];
}

/**
 * Whether every name that one pattern matches is matched by the other. A `*` of the inner one stands for any run, so only a `*` of the outer
 * one can take it: matching it as a character that no pattern holds decides exactly that.
 */
export function patternContains(outer: string, inner: string): boolean {
  return compileGlob(outer, 'name')(inner.replaceAll('*', '\u0000'));
}

function bindingsOf(child: Grant, parent: Grant): Widening[] {
  const found: Widening[] = [];
  const same = (path: 'kind' | 'environment' | 'orgId' | 'botId' | 'accountId', what: string): void => {
    if (child[path] !== parent[path])
      found.push({ path, message: `must be the ${what} of the parent, ${parent[path] ?? 'which has none'}` });
  };
  same('kind', 'kind');
  same('environment', 'environment');
  same('orgId', 'organisation');
  same('botId', 'bot');
  // Another account would be another ledger root, and the parent's limits are kept under its own.
  same('accountId', 'account');
  for (const path of ['agentId', 'onBehalfOf'] as const) {
    if (parent[path] !== undefined && child[path] !== parent[path])
      found.push({ path, message: `must stay ${parent[path]}, as the parent's` });
  }
  return found;
}

/** Selectors bind and grant nothing: what they bind to is compared as a binding. */
function scopesOf(child: Grant, parent: Grant, order: ScopeOrder): Widening[] {
  const granting = child.scopes.filter((scope) => {
    const { orgs, agents } = selectorsOf([scope]);
    return orgs.length + agents.length === 0;
  });
  const wider = isWithin(granting, compileScopes(parent.scopes, order));
  return wider.map((scope) => ({
    path: `scopes[${child.scopes.indexOf(scope)}]`,
    message: `"${scope}" is not within the parent's scopes`,
  }));
}

/** Lists of which an empty one means everything. */
function listOf(
  path: 'upstreams' | 'tools' | 'addresses',
  child: readonly string[],
  parent: readonly string[],
  contains: (outer: string, inner: string) => boolean,
): Widening[] {
  if (parent.length === 0) return [];
  if (child.length === 0) return [{ path, message: 'must not be empty, which means every one: the parent has a list' }];
  return child.flatMap((inner, at) =>
    parent.some((outer) => contains(outer, inner))
      ? []
      : [{ path: `${path}[${at}]`, message: `"${inner}" is not within the parent's ${path}` }],
  );
}

function expiryOf(child: Grant, parent: Grant): Widening[] {
  if (parent.expiresAt === undefined || (child.expiresAt !== undefined && child.expiresAt <= parent.expiresAt)) return [];
  return [{ path: 'expiresAt', message: `must be no later than the parent's, ${new Date(parent.expiresAt).toISOString()}` }];
}

/**
 * Limits over the same window and tool are compared; others cannot widen, since the parent's own apply beside them. A soft limit of the
 * parent bounds nothing; a soft one of the child that only warns beyond the parent's end is a mistake all the same.
 */
function limitsOf(child: Grant, parent: Grant): Widening[] {
  const message = "is more than the parent's over the same window";
  const found: Widening[] = [];
  for (const [at, budget] of child.budgets.entries()) {
    if (parent.budgets.some((above) => bounds(above, budget) && budget.amount > above.amount))
      found.push({ path: `budgets[${at}]`, message });
  }
  for (const [at, cap] of child.caps.entries()) {
    if (parent.caps.some((above) => bounds(above, cap) && cap.calls > above.calls)) found.push({ path: `caps[${at}]`, message });
  }
  const { rate, maxUses } = child;
  if (
    rate &&
    parent.rate &&
    (rate.calls > parent.rate.calls || rate.calls * parent.rate.perSeconds > parent.rate.calls * rate.perSeconds)
  ) {
    found.push({ path: 'rate', message: `is more than the parent's, ${parent.rate.calls} in ${parent.rate.perSeconds} seconds` });
  }
  if (maxUses !== undefined && parent.maxUses !== undefined && maxUses > parent.maxUses) {
    found.push({ path: 'maxUses', message: `is more than the parent's, ${parent.maxUses}` });
  }
  return found;
}

/** Whether a limit of the parent refuses what the child's limit counts, over the same window. */
function bounds(above: Budget | Cap, below: Budget | Cap): boolean {
  // A total never resets, so its zone has no say.
  const sameWindow = above.per === below.per && (above.per === 'total' || above.zone === below.zone);
  return above.soft !== true && sameWindow && above.tool === below.tool;
}
