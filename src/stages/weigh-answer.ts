import { readCost } from '../domain/cost.ts';
import type { ResponseMessage } from '../domain/message.ts';
import type { Admitted } from './reached.ts';
import type { RelayEnd } from './relay.ts';

/** What an answer means for the charge of the call that it ends. */
export type AnswerEnd = Pick<RelayEnd, 'ending' | 'cost'>;

/** Read from the upstream's own message, before anything of it is trimmed. A result is read again only where its rule takes a cost from it. */
export function weighAnswer({ rule }: Pick<Admitted, 'rule'>, message: ResponseMessage): AnswerEnd {
  if (message.outcome === 'error') return { ending: 'error' };
  // Only a tool's result can say that it is an error; elsewhere the member means whatever the upstream likes.
  const ending = rule?.subject === 'tools' && message.isError === true ? 'tool-error' : 'answered';
  return { ending, ...(rule?.reported && { cost: readCost(message, rule.reported.name) }) };
}
