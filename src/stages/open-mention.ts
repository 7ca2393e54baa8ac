import type { TaskMention } from '../domain/message.ts';
import { splice } from '../domain/splice.ts';
import type { Ports } from './ports.ts';
import type { Located } from './reached.ts';
import { openTask } from './task-ids.ts';

/**
 * The bytes of a notification or an answer of a client's, with the related task's id as the upstream knows it. An id that does not open is left as
 * it is: it is that of a task of the client's own, which no upstream has made.
 */
export function openMention(ports: Pick<Ports, 'seal'>, located: Located, bytes: Buffer, related: TaskMention | undefined): Buffer {
  const own = related && openTask(ports, located, related.id);
  return own === undefined || !related ? bytes : splice(bytes, [{ span: related.span, text: JSON.stringify(own) }]);
}
