import { Denial } from '../domain/denial.ts';
import type { RequestMessage } from '../domain/message.ts';
import type { ConditionVariables, Rule } from '../domain/policy.ts';
import { judgeLimits, type RunningTotal } from '../domain/risk.ts';
import { failClosed } from './fail-closed.ts';
import type { Ports } from './ports.ts';
import type { Understood } from './reached.ts';

type Asking = Pick<Understood, 'caller' | 'upstream' | 'address' | 'at'>;

/**
 * What a rule requires beyond its scopes, in this order: a fresh second factor, then its condition, then its limits on arguments.
 * Returns what the call takes of running totals; whether they have room is for admit. A promise only where a second factor is asked for.
 */
export function judgeRule(
  ports: Pick<Ports, 'stepUp'>,
  asking: Asking,
  judged: { rule: Rule; message: RequestMessage; tool: string },
): readonly RunningTotal[] | Promise<readonly RunningTotal[]> {
  if (!judged.rule.stepUp) return judgeArguments(asking, judged);
  return requireStepUp(ports, asking, judged.rule).then(() => judgeArguments(asking, judged));
}

function judgeArguments(
  asking: Asking,
  { rule, message, tool }: { rule: Rule; message: RequestMessage; tool: string },
): readonly RunningTotal[] {
  if (!rule.when && rule.limits.length === 0) return [];
  const span = message.params.arguments;
  const args: unknown = span ? JSON.parse(message.bytes.toString('utf8', span.start, span.end)) : {};
  requireCondition(asking, rule, { args, tool });
  return requireLimits(asking, rule, args);
}

async function requireStepUp({ stepUp }: Pick<Ports, 'stepUp'>, asking: Asking, rule: Rule): Promise<void> {
  const { id } = asking.caller.key;
  if ((await failClosed(stepUp.freshUntil(id, asking.at))) > asking.at) return;
  const how = `Show the second factor of key ${id}: POST /api/v1/step-up {"code": "<six digits>"} with the same key, or keygate keys step-up ${id} --code <six digits>. Then call again.`;
  throw new Denial('STEP_UP_REQUIRED', { facts: { ...ruleFacts(asking, rule), how } });
}

function requireCondition(asking: Asking, rule: Rule, { args, tool }: Pick<ConditionVariables, 'args' | 'tool'>): void {
  if (!rule.when) return;
  const { caller, upstream, address, at } = asking;
  const { when } = rule;
  const request = { time: at, address, environment: upstream.environment };
  // Whoever mints a child chooses its name and agent: a key that the condition refuses must not pass by its children (I7).
  const holds = [caller.key, ...caller.ancestors].every(({ id, name, orgId, agentId, environment }) =>
    when.holds({ args, tool, key: { id, name, org: orgId ?? '', agent: agentId ?? '', environment }, request }),
  );
  if (holds) return;
  throw new Denial('POLICY_DENIED', { facts: { ...ruleFacts(asking, rule), condition: rule.when.source } });
}

function requireLimits(asking: Asking, rule: Rule, args: unknown): readonly RunningTotal[] {
  const { breach, totals } = judgeLimits(rule.limits, { args, now: asking.at, rule: rule.id });
  if (!breach) return totals;
  throw new Denial('POLICY_DENIED', { detail: breach.problem, facts: { ...ruleFacts(asking, rule), limit: breach.limit } });
}

/** The rule that decided, and which text of it: a refusal names both. */
export function ruleFacts({ upstream }: Pick<Understood, 'upstream'>, rule: Rule): { rule: string; ruleRevision: string } {
  return { rule: rule.id, ruleRevision: upstream.revision };
}
