import type { CostFault, CostReading } from './cost.ts';
import { formatMicros, type Micros, zeroMicros } from './money.ts';
import type { Portion, Rule } from './policy.ts';

/**
 * How a call ended, as money sees it. `answered`: with a result. `error`: an HTTP error, a JSON-RPC error, or an answer that is none.
 * `tool-error`: a result with `isError`. `timeout`: no answer within the time. `lost`: no answer at all, because the connection broke,
 * the client left, the key died or the process was stopped. `not-sent`: it is certain that the upstream got no byte.
 */
export type Ending = 'answered' | 'error' | 'tool-error' | 'timeout' | 'lost' | 'not-sent';

/** What the outcome says of the charge, beside the charge itself. */
export interface ChargeFacts {
  /** Absent where the call was answered, or has no price. */
  readonly ending?: Exclude<Ending, 'answered'>;
  /** What the upstream said that the call cost, as a decimal string. */
  readonly cost?: string;
  /** Why the cost is not what was charged; `capped` where it is above the hold. */
  readonly costFault?: CostFault | 'capped';
}

/**
 * What a call is charged: from nothing to the whole hold, never more. The charge terms of the rule decide about a call that brought
 * nothing; a call that brought a result, or a tool error that is to be paid, costs what the upstream reported where the rule takes that.
 * @param options.rule  the rule that the call was admitted under; undefined = everything in full
 * @param options.held  what the admit took, in micro-units
 * @param options.cost  what `readCost` found in the result; absent where there was no result to read
 * @throws Error where the hold is no amount: that is a fault, and the hold is left to expire
 */
export function chargeOf(options: {
  rule: Pick<Rule, 'charge' | 'reported'> | undefined;
  held: Micros;
  ending: Ending;
  cost?: CostReading | undefined;
}): { charge: Micros; facts: ChargeFacts } {
  const { rule, held, ending, cost } = options;
  if (!Number.isSafeInteger(held) || held < 0) throw new Error('A hold is a whole number of micro-units, 0 or more.');
  if (held === 0) return { charge: zeroMicros, facts: {} };
  if (ending === 'not-sent') return { charge: zeroMicros, facts: { ending } };
  const reported = hasResult(ending) ? rule?.reported : undefined;
  const { charge, facts } = reported
    ? ofCost(cost ?? { fault: 'missing' }, { held, missing: reported.missing })
    : { charge: held, facts: {} };
  const due = termOf(rule, ending) === 'none' ? zeroMicros : charge;
  return { charge: due, facts: { ...(ending !== 'answered' && { ending }), ...facts } };
}

function hasResult(ending: Ending): boolean {
  return ending === 'answered' || ending === 'tool-error';
}

function ofCost(reading: CostReading, { held, missing }: { held: Micros; missing: Portion }): { charge: Micros; facts: ChargeFacts } {
  if ('fault' in reading) return { charge: missing === 'full' ? held : zeroMicros, facts: { costFault: reading.fault } };
  const { cost } = reading;
  if (cost <= held) return { charge: cost, facts: { cost: formatMicros(cost) } };
  return { charge: held, facts: { cost: formatMicros(cost), costFault: 'capped' } };
}

function termOf(rule: Pick<Rule, 'charge'> | undefined, ending: Ending): Portion {
  const terms = rule?.charge;
  if (!terms || ending === 'answered') return 'full';
  if (ending === 'not-sent') return 'none';
  return ending === 'tool-error' ? terms.toolError : terms[ending];
}
