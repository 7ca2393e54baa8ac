import { createHash } from 'node:crypto';
import { compileGlob } from './glob.ts';
import type { Environment } from './key.ts';
import { type Micros, zeroMicros } from './money.ts';
import type { ChargeTerms, Condition, DenialMode, Lease, ReportedPrice, RiskLimit, Rule, Subject, UpstreamPolicy } from './policy.ts';
import { normaliseUri } from './resource-uri.ts';
import type { RouteConfig } from './route.ts';
import type { PinTerms } from './tool-pin.ts';

/** A rule as the configuration has it, read and checked. */
export interface RuleConfigLike {
  readonly match: readonly string[];
  readonly scopes: readonly string[];
  readonly price: Micros;
  readonly reported?: ReportedPrice;
  readonly charge?: ChargeTerms;
  readonly lease?: Lease;
  readonly when?: string | undefined;
  readonly limits: readonly RiskLimit[];
  readonly stepUp: boolean;
}

type CompileCondition = (source: string) => Condition;

/** @throws Error where a condition does not compile; the configuration's reader reports it before */
export function compileRules(options: {
  upstream: string;
  subject: Subject;
  rules: readonly RuleConfigLike[];
  compileCondition: CompileCondition;
}): Rule[] {
  const { upstream, subject, compileCondition } = options;
  return options.rules.map(({ match, scopes, price, reported, charge, lease, when, limits, stepUp }, at) => ({
    id: `${upstream}.${subject}[${at}]`,
    subject,
    match,
    scopes,
    price,
    limits,
    stepUp,
    ...(reported && { reported }),
    ...(charge && { charge }),
    ...(lease && { lease }),
    ...(when === undefined ? {} : { when: compileCondition(when) }),
  }));
}

/**
 * Compiles what decides about calls to one upstream. Resources are looked up by URIs that `normaliseUri` has returned; their patterns are
 * brought to the same form here, so that `wiki://Home` finds what it names.
 * @param options.annotated the upstream comes from a client's own file; it counts only while no tool rule is written
 */
export function compileUpstreamPolicy(options: {
  name: string;
  environment: Environment;
  denials: DenialMode;
  sections: Readonly<Record<Subject, readonly RuleConfigLike[]>>;
  compileCondition: CompileCondition;
  annotated?: boolean;
  pinning: PinTerms;
  /** Their scopes and texts count like those of rules. */
  routes?: readonly RouteConfig[];
}): UpstreamPolicy {
  const { name, environment, denials, sections, compileCondition, pinning, routes = [] } = options;
  const lookUp = (subject: Subject): ((name: string) => Rule | undefined) =>
    compileLookUp(compileRules({ upstream: name, subject, rules: sections[subject], compileCondition }), subject);
  const finders = { tools: lookUp('tools'), resources: lookUp('resources'), prompts: lookUp('prompts'), methods: lookUp('methods') };
  const annotated = options.annotated === true && sections.tools.length === 0;
  return {
    name,
    environment,
    denials,
    annotated,
    pinning,
    scopes: scopesOf(sections, [
      ...(annotated ? [`read:${name}`, `trade:${name}`, `manage:${name}`] : []),
      ...routes.flatMap(({ scopes }) => scopes),
    ]),
    revision: revisionOf(sections, annotated, routes),
    ruleFor: (subject, wanted) => finders[subject](wanted),
  };
}

/** The rule that a tool's annotations suggest, where none is written: it is free, and needs one scope on its upstream. */
export function annotationRule(options: {
  upstream: string;
  tool: string;
  annotations: { readonly readOnlyHint?: boolean; readonly destructiveHint?: boolean };
}): Rule {
  const { upstream, tool, annotations } = options;
  // Both come from the upstream unchecked, so only the boolean counts.
  const action = annotations.readOnlyHint === true ? 'read' : annotations.destructiveHint === true ? 'manage' : 'trade';
  const scopes = [`${action}:${upstream}`];
  return { id: `${upstream}.annotations`, subject: 'tools', match: [tool], scopes, price: zeroMicros, limits: [], stepUp: false };
}

const memoEntriesMax = 10_000;
const memoCharactersMax = 512;

/**
 * First match wins, at the cost of a map look-up for exact names and for names seen before; only a new name that a pattern may match walks
 * the patterns. Maps, not objects: `__proto__` and `toString` are names like any other (A02).
 */
function compileLookUp(rules: readonly Rule[], subject: Subject): (name: string) => Rule | undefined {
  const exact = new Map<string, number>();
  const globs: { readonly at: number; readonly matches: (name: string) => boolean }[] = [];
  for (const [at, rule] of rules.entries()) {
    for (const written of rule.match) {
      const pattern = subject === 'resources' ? (normaliseUri(written) ?? written) : written;
      if (pattern.includes('*')) globs.push({ at, matches: compileGlob(pattern, subject === 'resources' ? 'uri' : 'name') });
      else if (!exact.has(pattern)) exact.set(pattern, at);
    }
  }
  const firstGlob = globs[0]?.at ?? rules.length;
  const memo = new Map<string, Rule | undefined>();
  return (name) => {
    const exactAt = exact.get(name) ?? rules.length;
    if (exactAt <= firstGlob) return rules[exactAt];
    const known = memo.get(name);
    if (known !== undefined || memo.has(name)) return known;
    const glob = globs.find(({ at, matches }) => at < exactAt && matches(name));
    const found = rules[glob?.at ?? exactAt];
    // Names come from clients: neither many nor long ones may fill the memory (A61).
    if (memo.size >= memoEntriesMax) memo.clear();
    if (name.length <= memoCharactersMax) memo.set(name, found);
    return found;
  };
}

function scopesOf(sections: Readonly<Record<Subject, readonly RuleConfigLike[]>>, suggested: readonly string[]): string[] {
  const { tools, resources, prompts, methods } = sections;
  return [...new Set([...suggested, ...[tools, resources, prompts, methods].flat().flatMap(({ scopes }) => scopes)])];
}

function revisionOf(
  sections: Readonly<Record<Subject, readonly RuleConfigLike[]>>,
  annotated: boolean,
  routes: readonly RouteConfig[],
): string {
  const subjects = ['tools', 'resources', 'prompts', 'methods'] as const;
  // Members are named one by one, so that the order in which a file writes them changes nothing.
  const rules = subjects.map((subject) =>
    sections[subject].map(({ match, scopes, price, when, limits, stepUp, ...more }) => [
      ...[match, scopes, price, when ?? null, stepUp],
      // The reader of the configuration builds each limit member by member, so one limit has one text.
      limits,
      ...moneyTerms(more),
    ]),
  );
  return (
    createHash('sha256')
      // Without routes the text is what it has always been, and so is the revision.
      .update(JSON.stringify(routes.length === 0 ? [rules, annotated] : [rules, annotated, routes.map(routeText)]))
      .digest('hex')
      .slice(0, 12)
  );
}

function routeText({ path, methods, scopes, price, websocket, to, cookies }: RouteConfig): unknown[] {
  return [path, methods, scopes, price, websocket, to ?? null, cookies];
}

/** Nothing for a rule that has a price and no more, so that such a rule keeps the revision it has always had. */
function moneyTerms({ reported, charge, lease }: Pick<RuleConfigLike, 'reported' | 'charge' | 'lease'>): unknown[] {
  if (!reported && !charge && !lease) return [];
  const terms = charge ? [charge.error, charge.toolError, charge.timeout, charge.lost] : null;
  return [[reported ? [reported.name, reported.missing] : null, terms, lease ? [lease.calls, lease.ms] : null]];
}
