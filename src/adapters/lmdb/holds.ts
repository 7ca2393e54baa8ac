import { dueKey, type Ended } from './reservation.ts';
import type { Tables } from './tables.ts';

export function putEnded(tables: Tables, id: string, ended: Ended): void {
  tables.ended.put(id, ended);
  // What was captured may still be settled, and then leaves its place in the order of what is due.
  if (ended.state === 'captured') tables.due.put(dueKey(ended.forgetAt, 'ended', id), true);
  else tables.forgetTogether(ended.forgetAt, id);
}

/** Takes away what was captured. */
export function removeCaptured(tables: Tables, id: string, ended: Extract<Ended, { state: 'captured' }>): void {
  tables.ended.remove(id);
  tables.due.remove(dueKey(ended.forgetAt, 'ended', id));
}
