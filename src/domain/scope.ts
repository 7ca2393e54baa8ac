/** Actions from the weakest to the strongest; each includes those before it. Actions that are not named here cover only themselves. */
export interface ScopeOrder {
  readonly hierarchy: readonly string[];
}

/** Granted scopes, compiled once for each distinct list; the caller interns them. Only `covers` and `isWithin` look inside. */
export interface ScopeSet {
  readonly order: ScopeOrder;
  /** Every valid scope as granted, selectors included. */
  readonly texts: ReadonlySet<string>;
  readonly patterns: readonly ScopePattern[];
  /** Answers given before. Bounded, since wanted scopes of a management request come from outside. */
  readonly memo: Map<string, boolean>;
}

interface ScopePattern {
  readonly segments: readonly string[];
  /** Place of the action in the hierarchy, or -1. */
  readonly rank: number;
}

const charactersMax = 128;
const segmentsMax = 8;
const memoEntriesMax = 1_000;
const segmentForm = /^(?:\*|[a-z0-9][a-z0-9._-]*)$/;
const reserved: ReadonlySet<string> = new Set(['org', 'agent', 'svc']);
/** The one scope that looks like a selector and is none: `connect` is a reserved agent id. */
const connectScope = 'agent:connect';

/**
 * Why a text is no scope; undefined when it is one. `action[:resource[:…]]`: segments of lower-case letters, digits, ".", "_" and "-"
 * (beginning with a letter or digit) or `*`, at most 8 of them and 128 characters. `org:<id>` and `agent:<id>` name exactly one id.
 * `svc:<service>:<action>[:<rest>]` needs service and action, and its action cannot be one of org, agent and svc: a scope never reads as a selector.
 */
export function scopeProblem(text: string): string | undefined {
  if (text === '') return 'must not be empty';
  if (text.length > charactersMax) return `must be at most ${charactersMax} characters`;
  const segments = text.split(':');
  if (segments.length > segmentsMax) return `must be at most ${segmentsMax} segments`;
  if (!segments.every((segment) => segmentForm.test(segment))) {
    return 'must be lower-case letters, digits, ".", "_" and "-" in segments joined by ":", such as read or read:wiki; a segment may be "*"';
  }
  const [first = '', second, third] = segments;
  if (first === 'svc') {
    if (second === undefined || third === undefined) return 'must name service and action: svc:<service>:<action>';
    return reserved.has(third) ? `"${third}" is no action` : undefined;
  }
  if (!reserved.has(first)) return undefined;
  return segments.length === 2 && second !== '*' ? undefined : `must name one ${first}: ${first}:<id>`;
}

/** Texts that are not valid scopes grant nothing (I6); they cannot be minted, but a record may be older than a rule. */
export function compileScopes(granted: readonly string[], order: ScopeOrder): ScopeSet {
  const texts = new Set(granted.filter((scope) => scopeProblem(scope) === undefined));
  const patterns: ScopePattern[] = [];
  for (const scope of texts) {
    const segments = grantOf(scope);
    if (segments !== undefined) patterns.push({ segments, rank: order.hierarchy.indexOf(segments[0] ?? '') });
  }
  return { order, texts, patterns, memo: new Map() };
}

/**
 * Whether the granted scopes cover the wanted one: by some single granted scope whose segments each equal the wanted ones, are `*`, or (the
 * action) stand above in the hierarchy, with any remainder on the wanted side. A `*` on the wanted side is a text like any other, so only
 * `*` or a prefix covers it. Selectors cover nothing and are covered by nothing, also not by `*`; `agent:connect` covers exactly itself.
 * A wanted text that is no scope is never covered.
 */
export function covers(set: ScopeSet, wanted: string): boolean {
  const known = set.memo.get(wanted);
  if (known !== undefined) return known;
  const answer = judge(set, wanted);
  if (set.memo.size >= memoEntriesMax) set.memo.clear();
  // Longer texts are no scopes, and must not fill the memory.
  if (wanted.length <= charactersMax) set.memo.set(wanted, answer);
  return answer;
}

/**
 * The scopes of a child that its parent's do not cover; empty when the child is within (I7). A selector is within only where the parent
 * holds the same one.
 */
export function isWithin(child: readonly string[], parent: ScopeSet): string[] {
  return child.filter((scope) => {
    if (scopeProblem(scope) !== undefined) return true;
    // Judged by what it grants, not by its text: `read:*` grants `read` too, which a parent with `read:*:*` does not have.
    const granted = grantOf(scope);
    return granted === undefined ? !parent.texts.has(scope) : !covers(parent, granted.join(':'));
  });
}

/** The ids that `org:<id>` and `agent:<id>` bind the key to, each once. `agent:connect` is a scope, not a selector. */
export function selectorsOf(granted: readonly string[]): { orgs: string[]; agents: string[] } {
  const ids = (action: string): string[] => {
    const selected = granted.filter((scope) => isSelector(scope) && scope.startsWith(`${action}:`));
    return [...new Set(selected.map((scope) => scope.slice(action.length + 1)))];
  };
  return { orgs: ids('org'), agents: ids('agent') };
}

/** `{read: ['a'], write: ['b']}` to `['read:a', 'write:b']`. The result is not checked. */
export function permissionsToScopes(permissions: Readonly<Record<string, readonly string[]>>): string[] {
  return Object.entries(permissions).flatMap(([action, resources]) => resources.map((resource) => `${action}:${resource}`));
}

function judge(set: ScopeSet, wanted: string): boolean {
  if (wanted === connectScope) return set.texts.has(connectScope);
  if (scopeProblem(wanted) !== undefined) return false;
  const segments = readSegments(wanted);
  if (segments === undefined) return false;
  const rank = set.order.hierarchy.indexOf(segments[0] ?? '');
  return set.patterns.some((pattern) => pattern.segments.length <= segments.length && matches(pattern, segments, rank));
}

function matches(pattern: ScopePattern, wanted: readonly string[], wantedRank: number): boolean {
  return pattern.segments.every((segment, at) => {
    if (segment === '*' || segment === wanted[at]) return true;
    return at === 0 && wantedRank >= 0 && pattern.rank >= wantedRank;
  });
}

function isSelector(scope: string): boolean {
  return /^(?:org|agent):/.test(scope) && scope !== connectScope && scopeProblem(scope) === undefined;
}

/**
 * What a valid scope grants, as a prefix. A trailing `*` is any remainder, the empty one included, and so is every prefix: `read:*` says the
 * same as `read`.
 */
function grantOf(scope: string): string[] | undefined {
  const segments = readSegments(scope);
  if (segments !== undefined && segments.length > 1 && segments.at(-1) === '*') segments.pop();
  return segments;
}

/** The segments of a valid scope with its action first, or undefined for what grants nothing: selectors, and `agent:connect`, which is compared whole. */
function readSegments(scope: string): string[] | undefined {
  const segments = scope.split(':');
  if (segments[0] === 'org' || segments[0] === 'agent') return undefined;
  if (segments[0] !== 'svc') return segments;
  const [, name = '', action = '', ...rest] = segments;
  return [action, name, ...rest];
}
