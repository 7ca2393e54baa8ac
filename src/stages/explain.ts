import { Denial } from '../domain/denial.ts';
import type { ExplainedLimit, Explanation } from '../domain/explanation.ts';
import { formatMicros } from '../domain/money.ts';
import type { Rule } from '../domain/policy.ts';
import type { LimitBreach, UsageLine } from '../ports/ledger.ts';
import { breachDenial, takings } from './admit.ts';
import { refuseDead } from './authenticate.ts';
import { authorize, findRule } from './authorize.ts';
import { type Imagined, imagine, untouched } from './imagine.ts';
import { locate } from './locate.ts';
import type { Ports } from './ports.ts';
import type { Authorized, Understood } from './reached.ts';
import { understand } from './understand.ts';

export interface ExplainPorts extends Pick<Ports, 'catalogue' | 'toolPins' | 'stepUp' | 'seal'> {
  readonly ledger: Pick<Ports['ledger'], 'usage' | 'preview'>;
}

/**
 * What would become of a call: a dry run through the stages themselves, in their order, with the ledger asked instead of charged. Nothing
 * is written and nothing reaches an upstream, but for the list of tools of one without written rules. A key's rate is not judged: asking
 * would count. @throws Denial where the upstream's list is needed and cannot be had
 */
export async function explain(ports: ExplainPorts, question: Imagined): Promise<Explanation> {
  const walked = await walk(ports, question);
  const { denial, understood, authorized, breach } = walked;
  const { caller, now } = question;
  const rule = authorized?.rule ?? (understood && denial?.reason !== 'TOOL_NOT_ALLOWED' ? await ruleBehind(ports, understood) : undefined);
  const needed = rule?.scopes ?? [];
  const missing = needed.filter((scope) => !caller.grants(scope));
  const { key, ancestors } = caller;
  const lines = await ports.ledger.usage({ key, ancestors, now });
  return {
    decision: denial ? 'refused' : 'allowed',
    ...(denial && { reason: denial.reason }),
    ...(rule && understood && { rule: rule.id, ruleRevision: understood.upstream.revision }),
    scopes: { held: [...caller.scopes.texts], needed },
    price: formatMicros(rule?.price ?? 0),
    limits: lines.map(showLimit),
    ...(denial && { lift: liftOf(denial, { missing, waiting: !isTooMuch(authorized, breach) }), facts: denial.facts }),
  };
}

interface Walked {
  readonly denial?: Denial;
  /** The limit without room, where one refused. */
  readonly breach?: LimitBreach;
  readonly understood?: Understood;
  readonly authorized?: Authorized;
}

async function walk(ports: ExplainPorts, question: Imagined): Promise<Walked> {
  let understood: Understood | undefined;
  let authorized: Authorized | undefined;
  const reached = (denial?: Denial): Walked => ({
    ...(denial && { denial }),
    ...(understood && { understood }),
    ...(authorized && { authorized }),
  });
  const { now } = question;
  try {
    refuseDead(question.caller, now);
    understood = understand(ports, await locate({ throttle: untouched }, imagine(question)));
    authorized = await authorize(ports, understood);
    const breach = await ports.ledger.preview({ ...takings(authorized), now });
    return breach ? { ...reached(breachDenial(authorized, breach, { now, recorded: false })), breach } : reached();
  } catch (thrown) {
    if (thrown instanceof Denial) return reached(thrown);
    throw thrown;
  }
}

/** The rule that a refused call came under. */
async function ruleBehind(ports: ExplainPorts, understood: Understood): Promise<Rule | undefined> {
  const { intent } = understood;
  if (intent.kind !== 'request') return undefined;
  try {
    return (await findRule(ports, understood, intent.message)).rule;
  } catch (thrown) {
    if (thrown instanceof Denial) return undefined;
    throw thrown;
  }
}

function showLimit({ limitName, unit, limit, spent, held, resetAt }: UsageLine): ExplainedLimit {
  const show = (amount: number): string | number => (unit === 'micros' ? formatMicros(amount) : amount);
  const reset = resetAt === undefined ? {} : { resetAt: new Date(resetAt).toISOString() };
  return { limitName, unit: unit === 'micros' ? 'money' : 'calls', limit: show(limit), spent: show(spent), held: show(held), ...reset };
}

/** Whether the call alone is more than the limit ever has room for. */
function isTooMuch(authorized: Authorized | undefined, breach: LimitBreach | undefined): boolean {
  if (!authorized || !breach || breach.unit === 'calls') return false;
  const { price, totals } = authorized;
  return breach.reason === 'POLICY_DENIED' ? totals.some(({ amount }) => amount > breach.limit) : price > breach.limit;
}

function liftOf({ reason, facts, message }: Denial, { missing, waiting }: { missing: readonly string[]; waiting: boolean }): string {
  const wait = facts.resetAt !== undefined && waiting ? `wait until ${facts.resetAt}, or ` : '';
  switch (reason) {
    case 'INSUFFICIENT_SCOPE':
      return `Use a key that also holds ${missing.join(' and ')}.`;
    case 'STEP_UP_REQUIRED':
      return String(facts.how);
    case 'BUDGET_EXHAUSTED':
    case 'CAP_EXCEEDED':
      return capital(`${wait}have ${facts.rule} raised.`);
    case 'POLICY_DENIED':
      if (facts.condition !== undefined) return `Call so that this condition holds: ${String(facts.condition)}`;
      if (facts.limitName === undefined) return `Keep within this limit of the rule: ${facts.limit}.`;
      return capital(`${wait}use a smaller amount.`);
    default:
      return message;
  }
}

function capital(sentence: string): string {
  return sentence.charAt(0).toUpperCase() + sentence.slice(1);
}
