import type { Intent } from './reached.ts';

/** Whether what is wanted is a stream that stays open to hear of changes: GET in the session era, `subscriptions/listen` in 2026-07-28. */
export function isStream(intent: Intent): boolean {
  return intent.kind === 'stream' || (intent.kind === 'request' && intent.gate?.by === 'subscriptions');
}
