import type { MessageId, NotificationMessage } from '../domain/message.ts';
import { splice } from '../domain/splice.ts';
import { listChangeKinds, narrowingEdits, readSubscriptions } from '../domain/subscriptions.ts';
import { isStream } from './is-stream.ts';
import { mayUse } from './may-use.ts';
import type { Admitted } from './reached.ts';

/** Notifications about a task: those of 2025-11-25, and those of the extension of 2026-07-28. */
const aboutTask: ReadonlySet<string> = new Set(['notifications/tasks/status', 'notifications/tasks']);
const listChanges: ReadonlySet<string> = new Set(Object.values(listChangeKinds));
/** What the stream of a subscription carries besides changes of lists (2026-07-28, subscriptions: nothing that was not asked for). */
const subscribed: ReadonlySet<string> = new Set([
  'notifications/subscriptions/acknowledged',
  'notifications/resources/updated',
  'notifications/tasks',
  'notifications/cancelled',
]);

/** The task that a notification is about, where it names one by itself. */
export function taskOf({ method, params }: NotificationMessage): NotificationMessage['params']['relatedTask'] {
  if (!aboutTask.has(method) || params.taskId === undefined || !params.taskIdSpan) return undefined;
  return { id: params.taskId, span: params.taskIdSpan };
}

/**
 * What of a server's notification the client may see; undefined where nothing. Whatever it says of tasks was judged before.
 * @param options.sealedIds  ids of the stream's server requests, as the client knows them
 * @param options.known  ids of tasks that the stream's request named: the upstream's, and the client's
 */
export function judgeNotification(
  admitted: Admitted,
  options: { message: NotificationMessage; sealedIds: ReadonlyMap<MessageId, string>; known: ReadonlyMap<string, string> },
): string | undefined {
  const { message, sealedIds, known } = options;
  const { params, bytes, method } = message;
  if (!isAskedFor(admitted, method)) return undefined;
  if (method === 'notifications/cancelled' && params.cancels) {
    const sealed = sealedIds.get(params.cancels.id);
    if (sealed === undefined) return undefined;
    return splice(bytes, [{ span: params.cancels.span, text: JSON.stringify(sealed) }]).toString('utf8');
  }
  if (method === 'notifications/subscriptions/acknowledged') {
    const uri = (own: string) => (mayHear(admitted, own) ? `${uriPrefixAt(admitted) ?? ''}${own}` : undefined);
    const edits = narrowingEdits(message, { uri, task: (own) => known.get(own) });
    return splice(bytes, edits).toString('utf8');
  }
  // An update names a resource: only one that the key may read.
  if (method !== 'notifications/resources/updated') return bytes.toString('utf8');
  if (!mayHear(admitted, params.uri)) return undefined;
  const prefix = uriPrefixAt(admitted);
  if (prefix === undefined || params.uri === undefined || !params.uriSpan) return bytes.toString('utf8');
  return splice(bytes, [{ span: params.uriSpan, text: JSON.stringify(prefix + params.uri) }]).toString('utf8');
}

/** On the stream of a subscription only what was asked for may pass; other streams carry what belongs to their request or session. */
function isAskedFor({ era, intent }: Admitted, method: string): boolean {
  if (era !== 'stateless' || intent.kind !== 'request' || !isStream(intent)) return true;
  return listChanges.has(method) ? readSubscriptions(intent.message).listChanges.has(method) : subscribed.has(method);
}

/** What stands before the upstream's URIs where the client is. */
function uriPrefixAt({ endpoint }: Admitted): string | undefined {
  return endpoint.kind === 'upstream' ? undefined : endpoint.uriPrefix;
}

function mayHear(admitted: Admitted, uri: string | undefined): boolean {
  return uri !== undefined && mayUse(admitted, 'resources', { span: { start: 0, end: 0 }, uri });
}
