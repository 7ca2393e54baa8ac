import type { Message } from '../../../domain/message.ts';
import type { Calls } from './calls.ts';
import type { Incoming } from './incoming.ts';
import { oneLine } from './read-message.ts';
import { renameCancelled } from './remap.ts';
import type { Session } from './session.ts';
import type { Shared } from './shared.ts';

/** A client's notification or answer as the other side of its link may get it; undefined where it is for nobody there. */
export function outgoing(
  { calls, incoming, shared }: { calls: Calls; incoming: Incoming; shared: Shared | undefined },
  session: Session,
  message: Message,
): Buffer | undefined {
  if (message.kind === 'request') return undefined;
  // An answer goes out only from the session that was asked.
  if (message.kind === 'response') return incoming.takeAnswer(session, message.id) ? oneLine(message.bytes) : undefined;
  const { cancels } = message.params;
  if (message.method === 'notifications/cancelled' && cancels) {
    const linkId = calls.linkIdOf(session, cancels.id);
    if (linkId === undefined) return undefined;
    calls.cancelled(linkId);
    return renameCancelled(message, cancels.span, linkId);
  }
  return shared && !shared.passes(message.method) ? undefined : oneLine(message.bytes);
}
