import type { NotificationMessage } from '../../domain/message.ts';
import { listChangeKinds, readSubscriptions } from '../../domain/subscriptions.ts';

/** What all of them together agreed to tell: the filter of one acknowledgement (2026-07-28, subscriptions). */
export function mergeFilters(agreed: readonly NotificationMessage[]): object {
  const filters = agreed.map(readSubscriptions);
  const kinds = Object.entries(listChangeKinds).filter(([, method]) => filters.some(({ listChanges }) => listChanges.has(method)));
  const uris = filters.flatMap((filter) => filter.uris.map(({ text }) => text));
  const taskIds = filters.flatMap((filter) => filter.taskIds.map(({ text }) => text));
  return {
    ...Object.fromEntries(kinds.map(([name]) => [name, true])),
    ...(uris.length > 0 && { resourceSubscriptions: uris }),
    ...(taskIds.length > 0 && { taskIds }),
  };
}
