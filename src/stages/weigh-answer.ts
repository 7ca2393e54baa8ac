import { readCost } from '../domain/cost.ts';
import type { ResponseMessage } from '../domain/message.ts';
import type { Admitted } from './reached.ts';
import type { RelayEnd } from './relay.ts';

/** What an answer means for the charge of the call that it ends. */
export type AnswerEnd = Pick<RelayEnd, 'ending' | 'cost' | 'resumable'>;

/** Read from the upstream's own message, before anything of it is trimmed. A result is read again only where its rule takes a cost from it. */
export function weighAnswer({ rule }: Pick<Admitted, 'rule'>, message: ResponseMessage, asksTask = false): AnswerEnd {
  if (message.outcome === 'error') return { ending: 'error' };
  if (isInterim(message, asksTask)) return { ending: 'answered', resumable: true };
  // Only a tool's result can say that it is an error; elsewhere the member means whatever the upstream likes.
  const ending = rule?.subject === 'tools' && message.isError === true ? 'tool-error' : 'answered';
  return { ending, ...(rule?.reported && { cost: readCost(message, rule.reported.name) }) };
}

/** What needs input first, or became a task, is paid now and whole: what it brings in the end is fetched without being paid again. */
function isInterim({ marks }: ResponseMessage, asksTask: boolean): boolean {
  if (asksTask && marks?.task) return true;
  return marks?.resultType === 'input_required' || marks?.resultType === 'task';
}
