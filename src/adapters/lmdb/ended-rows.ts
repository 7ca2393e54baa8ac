import type { AdmitResult } from '../../ports/ledger.ts';
import type { Gathering, Redoable } from './gathered.ts';
import { type DueKey, dueKey, type Ended, type EndedReservations } from './reservation.ts';
import type { Range } from './tables.ts';

/** Reservations that ended in one commit and were admitted at about the same time, under the least of their ids. */
export interface EndedRow {
  readonly settled: readonly string[];
  readonly refused: readonly (readonly [id: string, answer: AdmitResult])[];
  /** When the last of them may be forgotten: none is before its time. */
  readonly forgetAt: number;
}

/** What the rows are kept in. What was captured stands by itself, and so does everything in stores of version 4. */
interface Under {
  get(key: string): EndedRow | Ended | undefined;
  put(key: string, value: EndedRow | Ended): unknown;
  remove(key: string): unknown;
  getRange(range: Range): Iterable<{ key: string; value: EndedRow | Ended }>;
  getKeys(range: { reverse: boolean; limit: number }): Iterable<string>;
}

/** Leading characters of the ids that share rows: those of an ordered id (domain/ordered-id.ts) are the same for 1.3 seconds. */
const groupCharacters = 6;

/** What a row has room for, so that it lies on a page with others: a settled reservation is its id, a refused one five times as long with its answer. */
const rowRoom = 30;
const refusedRoom = 5;

/** Groups that are remembered to be due; beyond that all are forgotten, and become due twice. */
const plannedMax = 1_000;

/** Behind every id of a group: ids are ASCII, and so in the database's order. */
const last = '\uffff';

type Listed = Exclude<Ended, { state: 'captured' }>;

/**
 * Ended reservations, several a row, and one entry of what is due for all rows of a group: a commit touches as few pages as may be. Every admit asks whether
 * its reservation ended already, and ids sort by time, so nearly all that are asked for lie beyond the greatest that ended: they need no read. Any
 * other is looked for in the rows of its group, which only a request that is sent again needs.
 * @param options.aside told of changes that are no line of `redo`
 */
export function endedRows(
  under: Under,
  { due, aside = () => undefined }: { due: { put(key: DueKey, value: true): unknown }; aside?: () => void },
): EndedReservations & Gathering & Redoable {
  let added = new Map<string, Listed>();
  /** No id that ended lies beyond; known for as long as nobody else commits. */
  let greatest: string | undefined;
  /** Groups with an entry of what is due, as far as it is known. */
  const planned = new Set<string>();
  /** Ids of those that were added and not told. */
  let untold: string[] = [];
  let open = false;
  let wrote = false;

  const isBeyond = (id: string): boolean => {
    if (!open) return false;
    greatest ??= greatestOf(under);
    return id > greatest;
  };
  const stored = (id: string): Ended | undefined => {
    const alone = under.get(id);
    if (alone && 'state' in alone) return alone;
    const group = groupOf(id);
    for (const { value } of under.getRange({ start: group, end: group + last })) {
      const found = 'state' in value ? undefined : inRow(value, id);
      if (found) return found;
    }
    return undefined;
  };
  const requireCommit = (): void => {
    if (!open) throw new Error('Ended reservations are changed inside a commit only.');
  };
  const plan = (group: string, at: number): void => {
    due.put(dueKey(at, 'group', group), true);
    if (planned.size >= plannedMax) planned.clear();
    planned.add(group);
  };
  const flush = (): void => {
    for (const { key, settled, refused, forgetAt } of rowsOf(added)) {
      under.put(key, { settled, refused, forgetAt });
      const group = groupOf(key);
      if (!planned.has(group)) plan(group, forgetAt);
    }
    if (added.size > 0) added = new Map();
  };
  const list = (id: string, ended: Listed): void => {
    if (isBeyond(id)) greatest = id;
    added.set(id, ended);
    untold.push(id);
  };
  return {
    get: (id) => added.get(id) ?? (isBeyond(id) ? undefined : stored(id)),
    put(id, ended) {
      requireCommit();
      wrote = true;
      if (ended.state !== 'captured') return list(id, ended);
      aside();
      if (isBeyond(id)) greatest = id;
      under.put(id, ended);
      due.put(dueKey(ended.forgetAt, 'ended', id), true);
    },
    // What is forgotten may have been the greatest: then a read more is made than need be.
    forget(id) {
      requireCommit();
      aside();
      wrote = true;
      under.remove(id);
    },
    forgetGroup(group, { now, max }) {
      requireCommit();
      aside();
      wrote = true;
      planned.delete(group);
      const gone: string[] = [];
      let next: number | undefined;
      for (const { key, value } of under.getRange({ start: group, end: group + last })) {
        if ('state' in value) continue;
        if (value.forgetAt <= now && gone.length < max) gone.push(key);
        else next = Math.min(next ?? value.forgetAt, value.forgetAt);
      }
      for (const key of gone) under.remove(key);
      if (next !== undefined) plan(group, next);
      return gone.length;
    },
    isEmpty: () => added.size === 0 && [...under.getKeys({ reverse: true, limit: 1 })].length === 0,
    redo() {
      const lines = untold.map((id) => JSON.stringify([id, added.get(id)]));
      untold = [];
      return lines;
    },
    replay(line) {
      const [id, ended] = JSON.parse(line) as [string, Listed];
      wrote = true;
      list(id, ended);
    },
    begin(kept) {
      open = true;
      wrote = false;
      untold = [];
      if (added.size > 0) added = new Map();
      if (kept) return;
      greatest = undefined;
      planned.clear();
    },
    end() {
      try {
        flush();
        return wrote;
      } finally {
        open = false;
      }
    },
  };
}

function groupOf(id: string): string {
  return id.slice(0, groupCharacters);
}

/** It is in the last group, but a row is named by the least of its ids, so any of that group's rows may have it. */
function greatestOf(under: Under): string {
  const [key] = under.getKeys({ reverse: true, limit: 1 });
  if (key === undefined) return '';
  let greatest = key;
  for (const { value } of under.getRange({ start: groupOf(key) })) {
    if ('state' in value) continue;
    for (const id of value.settled) if (id > greatest) greatest = id;
    for (const [id] of value.refused) if (id > greatest) greatest = id;
  }
  return greatest;
}

function inRow({ settled, refused, forgetAt }: EndedRow, id: string): Ended | undefined {
  if (settled.includes(id)) return { state: 'settled', forgetAt };
  const found = refused.find(([each]) => each === id);
  return found && { state: 'refused', answer: found[1], forgetAt };
}

interface Filling {
  /** The least of its ids. */
  key: string;
  readonly settled: string[];
  readonly refused: [string, AdmitResult][];
  forgetAt: number;
  room: number;
}

/** Rows of those that share a group, each as full as it may be. */
function rowsOf(all: ReadonlyMap<string, Listed>): Filling[] {
  const rows: Filling[] = [];
  const filling = new Map<string, Filling>();
  for (const [id, ended] of all) {
    const group = groupOf(id);
    let row = filling.get(group);
    if (!row || row.room <= 0) {
      row = { key: id, settled: [], refused: [], forgetAt: ended.forgetAt, room: rowRoom };
      filling.set(group, row);
      rows.push(row);
    }
    if (id < row.key) row.key = id;
    row.forgetAt = Math.max(row.forgetAt, ended.forgetAt);
    row.room -= ended.state === 'settled' ? 1 : refusedRoom;
    if (ended.state === 'settled') row.settled.push(id);
    else row.refused.push([id, ended.answer]);
  }
  return rows;
}
