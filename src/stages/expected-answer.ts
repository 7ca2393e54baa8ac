import type { RequestMessage } from '../domain/message.ts';
import type { ExpectedAnswer, RequestIntent } from './reached.ts';

/** What the answer to a request answers. */
export function expectedAnswer({ id, method, params }: RequestMessage, tasks: RequestIntent['tasks']): ExpectedAnswer {
  return { id, method, ...(params.task && { asksTask: true }), ...(tasks && { tasks: [...tasks] }) };
}
