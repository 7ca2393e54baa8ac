import type { Intent } from './reached.ts';

/** Whether what is wanted is a stream that stays open to hear of changes: GET in the session era, `subscriptions/listen` in 2026-07-28. */
export function isStream(intent: Intent): boolean {
  return intent.kind === 'stream' || (intent.kind === 'request' && intent.gate?.by === 'subscriptions');
}

/** Whether the upstream may be silent for as long as it likes: on such streams, and until a task has ended (2025-11-25, tasks/result). */
export function waits(intent: Intent): boolean {
  return isStream(intent) || (intent.kind === 'request' && intent.message.method === 'tasks/result');
}
