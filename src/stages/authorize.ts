import { Denial } from '../domain/denial.ts';
import type { RequestMessage } from '../domain/message.ts';
import { zeroMicros } from '../domain/money.ts';
import type { Rule } from '../domain/policy.ts';
import { redact } from '../domain/redact.ts';
import { covers } from '../domain/scope.ts';
import { decidableUri, toolRule } from './may-use.ts';
import type { Ports } from './ports.ts';
import type { Authorized, Understood } from './reached.ts';

type Subject = Authorized['subject'];

/** May they? Binding, rule, scopes, then the rule's condition on the arguments, in this order; no match is a refusal. */
export async function authorize(ports: Pick<Ports, 'catalogue'>, understood: Understood): Promise<Authorized> {
  const { intent, upstream, caller } = understood;
  for (const key of [caller.key, ...caller.ancestors]) {
    if (key.upstreams.length > 0 && !key.upstreams.includes(upstream.name)) {
      throw new Denial('TOOL_NOT_ALLOWED', { detail: `This key may not use the upstream ${upstream.name}.` });
    }
  }
  if (intent.kind === 'request') return authorizeRequest(ports, understood, intent.message);
  const rule = intent.kind === 'notification' ? upstream.ruleFor('methods', intent.message.method) : undefined;
  if (rule) requireScopes(understood, rule);
  return { ...understood, rule, subject: {}, price: zeroMicros, counts: false };
}

async function authorizeRequest(ports: Pick<Ports, 'catalogue'>, understood: Understood, message: RequestMessage): Promise<Authorized> {
  const { rule, subject } = await decide(ports, understood, message);
  if (rule) {
    requireScopes(understood, rule);
    requireCondition(understood, { rule, message, tool: subject.tool ?? '' });
  }
  const price = rule?.price ?? zeroMicros;
  return { ...understood, rule, subject, price, counts: message.method === 'tools/call' || price > 0 };
}

async function decide(
  ports: Pick<Ports, 'catalogue'>,
  understood: Understood,
  message: RequestMessage,
): Promise<{ rule: Rule | undefined; subject: Subject }> {
  const { upstream, intent } = understood;
  const gate = intent.kind === 'request' ? intent.gate : undefined;
  const { params, method } = message;
  // A method without a gate came this far only because a rule of the operator's names it.
  if (!gate || gate.by === 'key' || gate.by === 'filter') return { rule: upstream.ruleFor('methods', method), subject: {} };
  if (gate.by === 'uri') return resourceRule(understood, params.uri);
  if (gate.by === 'ref') return refRule(understood, params.ref);
  if (gate.subject === 'prompts') return promptRule(understood, params.name);
  const tool = params.name ?? '';
  const annotations = upstream.annotated ? await ports.catalogue.annotationsOf(upstream.name, tool) : undefined;
  const rule = understood.caller.admitsTool(tool) ? toolRule(upstream, { tool, annotations }) : undefined;
  return found(rule, { tool });
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

function requireScopes({ caller }: Understood, rule: Rule): void {
  if (rule.scopes.every((scope) => covers(caller.scopes, scope))) return;
  // The union of held and needed: clients ask their authorization server for exactly what they are told (mcp-facts).
  const scope = [...new Set([...caller.key.scopes, ...rule.scopes])];
  throw new Denial('INSUFFICIENT_SCOPE', { facts: { rule: rule.id, needed: rule.scopes, scope } });
}

function requireCondition({ caller }: Understood, { rule, message, tool }: { rule: Rule; message: RequestMessage; tool: string }): void {
  if (!rule.when) return;
  const { key } = caller;
  const span = message.params.arguments;
  const args: unknown = span ? JSON.parse(message.bytes.toString('utf8', span.start, span.end)) : {};
  const facts = { id: key.id, name: key.name, org: key.orgId ?? '', agent: key.agentId ?? '', environment: key.environment };
  if (rule.when.holds({ args, tool, key: facts })) return;
  throw new Denial('POLICY_DENIED', { facts: { rule: rule.id, condition: rule.when.source } });
}
