import { dueKey, type Ended, type Hold } from './reservation.ts';
import type { Tables } from './tables.ts';

export function putEnded(tables: Tables, id: string, ended: Ended): void {
  tables.ended.put(id, ended);
  tables.due.put(dueKey(ended.forgetAt, 'ended', id), true);
}

export function removeEnded(tables: Tables, id: string, ended: Ended): void {
  tables.ended.remove(id);
  tables.due.remove(dueKey(ended.forgetAt, 'ended', id));
}

export function putHold(tables: Tables, hold: Hold): void {
  tables.holds.put(hold.id, hold);
  tables.due.put(dueKey(hold.until, 'hold', hold.id), true);
}

export function removeHold(tables: Tables, hold: Hold): void {
  tables.holds.remove(hold.id);
  tables.due.remove(dueKey(hold.until, 'hold', hold.id));
}
