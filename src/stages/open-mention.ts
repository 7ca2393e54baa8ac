import type { Message, TaskMention } from '../domain/message.ts';
import { scan } from '../domain/scan.ts';
import { splice } from '../domain/splice.ts';
import type { Ports } from './ports.ts';
import type { Located } from './reached.ts';
import { openTask } from './task-ids.ts';

/**
 * A notification or an answer of a client's, with the related task's id as the upstream knows it, scanned again (I4). An id that does not open is
 * left as it is: it is that of a task of the client's own, which no upstream has made.
 */
export function openMention<Sent extends Message>(
  ports: Pick<Ports, 'seal'>,
  located: Located,
  { message, related }: { message: Sent; related: TaskMention | undefined },
): Sent {
  const own = related && openTask(ports, located, related.id);
  if (own === undefined || !related) return message;
  const { jsonDepthMax, jsonNodesMax } = located.policy.limits;
  const spliced = splice(message.bytes, [{ span: related.span, text: JSON.stringify(own) }]);
  const scanned = scan(spliced, { depthMax: jsonDepthMax, nodesMax: jsonNodesMax });
  if (!scanned.ok || scanned.message.kind !== message.kind) throw new Error('a message with its task opened no longer scans');
  return scanned.message as Sent;
}
