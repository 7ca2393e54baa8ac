import { listChangeKinds, readSubscriptions } from '../domain/subscriptions.ts';
import type { Intent } from './reached.ts';

/**
 * What the gateway itself tells a stream when its key sees other things than before, since the server does not know. In 2026-07-28 only what the
 * client asked for, under the id of its subscription, which is that of its request.
 */
export function listChangesFor(intent: Intent): string[] {
  if (intent.kind !== 'request') return Object.values(listChangeKinds).map((method) => JSON.stringify({ jsonrpc: '2.0', method }));
  const { message } = intent;
  const params = { _meta: { 'io.modelcontextprotocol/subscriptionId': message.id } };
  return [...readSubscriptions(message).listChanges].map((method) => JSON.stringify({ jsonrpc: '2.0', method, params }));
}
