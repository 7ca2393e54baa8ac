import { Denial } from '../domain/denial.ts';
import type { RequestMessage } from '../domain/message.ts';
import { zeroMicros } from '../domain/money.ts';
import type { Rule } from '../domain/policy.ts';
import { redact } from '../domain/redact.ts';
import { authorizeSubscriptions } from './authorize-subscriptions.ts';
import { preparePins, requirePinned } from './judge-pin.ts';
import { judgeRule, ruleFacts } from './judge-rule.ts';
import { decidableUri, toolRule } from './may-use.ts';
import type { Ports } from './ports.ts';
import type { Authorized, Understood } from './reached.ts';

type Subject = Authorized['subject'];

type AuthorizePorts = Pick<Ports, 'catalogue' | 'stepUp' | 'toolPins'>;

/** May they? Binding, rule, scopes, the tool's pin, second factor, condition and limits on the arguments, in this order; no match is a refusal. */
export async function authorize(ports: AuthorizePorts, understood: Understood): Promise<Authorized> {
  requireUpstream(understood);
  const preparing = preparePins(ports, understood);
  if (preparing) await preparing;
  const { intent } = understood;
  if (intent.kind !== 'request') return authorizeOther(understood);
  if (intent.gate?.by === 'subscriptions') return authorizeSubscriptions(ports, understood, intent.message);
  // Nearly nothing here has to be waited for, and each wait costs a call more than most judgements do.
  const finding = findRule(ports, understood, intent.message);
  const { rule, subject } = finding instanceof Promise ? await finding : finding;
  if (rule) requireScopes(understood, rule);
  const pinning = subject.tool === undefined ? undefined : requirePinned(ports, understood, subject.tool);
  if (pinning) await pinning;
  const judging = rule ? judgeRule(ports, understood, { rule, message: intent.message, tool: subject.tool ?? '' }) : [];
  const totals = judging instanceof Promise ? await judging : judging;
  // Judged like any call, but paid and counted in its first round.
  if (intent.retry?.paid) return { ...understood, rule, subject, price: zeroMicros, counts: false, totals: [] };
  const price = rule?.price ?? zeroMicros;
  return { ...understood, rule, subject, price, counts: intent.message.method === 'tools/call' || price > 0, totals };
}

function authorizeOther(understood: Understood): Authorized {
  const { intent, upstream } = understood;
  const rule = intent.kind === 'notification' ? upstream.ruleFor('methods', intent.message.method) : undefined;
  if (rule) {
    requireScopes(understood, rule);
    requireNothingMore(understood, rule);
  }
  return { ...understood, rule, subject: {}, price: zeroMicros, counts: false, totals: [] };
}

/** A method that is sent without an id does all the same (JSON-RPC 2.0, section 4.1), and nothing of it is answered: leaving the id out must not be a way past the rule. */
function requireNothingMore(understood: Pick<Understood, 'upstream'>, rule: Rule): void {
  if (rule.price === 0 && !rule.when && !rule.stepUp && rule.limits.length === 0) return;
  const detail = 'The rule of this method has a price or asks for more than scopes: send it as a request, with an id.';
  throw new Denial('INVALID_MESSAGE', { detail, facts: ruleFacts(understood, rule) });
}

/** A key that names upstreams is for these alone, and so is every key that descends from it (I7). */
export function requireUpstream({ caller, upstream }: Pick<Understood, 'caller' | 'upstream'>): void {
  if (!mayReach(caller, upstream)) throw new Denial('TOOL_NOT_ALLOWED', { detail: `This key may not use the upstream ${upstream.name}.` });
}

export function mayReach({ key, ancestors }: Understood['caller'], { name }: Pick<Understood['upstream'], 'name'>): boolean {
  return [key, ...ancestors].every(({ upstreams }) => upstreams.length === 0 || upstreams.includes(name));
}

interface Found {
  readonly rule: Rule | undefined;
  readonly subject: Subject;
}

/**
 * The rule that decides about a request, where its method needs one, and what it decides about. A promise only where what the upstream says of its
 * tools has to be asked for. @throws Denial where none matches
 */
export function findRule(ports: Pick<Ports, 'catalogue'>, understood: Understood, message: RequestMessage): Found | Promise<Found> {
  const { upstream, intent } = understood;
  const gate = intent.kind === 'request' ? intent.gate : undefined;
  const { params, method } = message;
  // A method without a gate came this far only because a rule of the operator's names it.
  if (!gate || gate.by === 'key' || gate.by === 'filter') return { rule: upstream.ruleFor('methods', method), subject: {} };
  // Whoever has the task's id has made the call that it came of; other subscriptions are judged one by one.
  if (gate.by === 'task' || gate.by === 'own-tasks' || gate.by === 'subscriptions') return { rule: undefined, subject: {} };
  if (gate.by === 'uri') return resourceRule(understood, params.uri);
  if (gate.by === 'ref') return refRule(understood, params.ref);
  if (gate.subject === 'prompts') return promptRule(understood, params.name);
  const tool = params.name ?? '';
  if (!upstream.annotated) return ruleOfTool(understood, { tool, annotations: undefined });
  return ports.catalogue.annotationsOf(upstream.name, tool).then((annotations) => ruleOfTool(understood, { tool, annotations }));
}

function ruleOfTool(understood: Understood, asked: Parameters<typeof toolRule>[1]): Found {
  const rule = understood.caller.admitsTool(asked.tool) ? toolRule(understood.upstream, asked) : undefined;
  return found(rule, { tool: asked.tool });
}

/** Any other type of reference could be about a name or a URI: nothing here says which. */
function refRule(understood: Understood, ref: RequestMessage['params']['ref']): { rule: Rule; subject: Subject } {
  if (ref?.type === 'ref/prompt') return promptRule(understood, ref.name);
  return ref?.type === 'ref/resource' ? resourceRule(understood, ref.uri) : found(undefined, {});
}

function promptRule({ upstream }: Understood, prompt: string | undefined): { rule: Rule; subject: Subject } {
  return found(upstream.ruleFor('prompts', prompt ?? ''), { prompt: prompt ?? '' });
}

function resourceRule({ upstream }: Understood, uri: string | undefined): { rule: Rule; subject: Subject } {
  const resource = decidableUri(uri);
  return found(resource === undefined ? undefined : upstream.ruleFor('resources', resource), { resource: resource ?? '' });
}

function found(rule: Rule | undefined, subject: Subject): { rule: Rule; subject: Subject } {
  if (rule) return { rule, subject };
  const named = Object.entries(subject).map(([name, text]) => [name, redact(text)]);
  throw new Denial('TOOL_NOT_ALLOWED', { facts: Object.fromEntries(named) });
}

export function requireScopes(understood: Pick<Understood, 'caller' | 'upstream'>, rule: Rule): void {
  const { caller } = understood;
  if (rule.scopes.every((scope) => caller.grants(scope))) return;
  // The union of held and needed: clients ask their authorization server for exactly what they are told (mcp-facts).
  const scope = [...new Set([...caller.key.scopes, ...rule.scopes])];
  throw new Denial('INSUFFICIENT_SCOPE', { facts: { ...ruleFacts(understood, rule), needed: rule.scopes, scope } });
}
