import type { Ended, Hold } from '../../src/adapters/lmdb/reservation.ts';
import type { Range, Table, Tables } from '../../src/adapters/lmdb/tables.ts';
import { createTimeTexts } from '../../src/domain/time-texts.ts';

/**
 * The tables of a store over plain maps: same order, same commits one after another, and values that come back as JSON carries them, so that
 * nothing is shared between what was written and what is read. Nothing is kept and nothing can fail.
 */
export function memoryTables(): Tables {
  const table = <V, K extends Key>(): Table<V, K> => memoryTable<V, K>();
  const keys: Tables['keys'] = table();
  const due: Tables['due'] = table();
  const ended = table<Ended, string>();
  const holds = table<Hold, string>();
  return {
    meta: table(),
    keys,
    readKey: (id) => keys.get(id),
    digests: table(),
    counters: table(),
    totals: table(),
    factors: table(),
    pins: table(),
    pinTexts: table(),
    replays: table(),
    holds: {
      ...holds,
      expired: (now, max) => {
        const due = [...holds.getRange({})].filter(({ value }) => value.until <= now);
        return due.slice(0, max).map(({ key }) => key);
      },
    },
    ended: {
      get: (id) => ended.get(id),
      put: (id, end) => {
        ended.put(id, end);
        due.put([end.forgetAt, 'ended', id], true);
      },
      forget: (id) => void ended.remove(id),
      forgetGroup: () => 0,
      isEmpty: () => [...ended.getKeys({ limit: 1 })].length === 0,
    },
    due,
    accounts: table(),
    references: table(),
    once: table(),
    journal: table(),
    checkpoints: table(),
    // A commit takes a turn, in which others may be faster; within it nobody else runs.
    commit: async (body) => {
      await Promise.resolve();
      return body();
    },
    timeText: createTimeTexts(),
    requireTransaction: () => undefined,
    readable: async () => undefined,
    catchUp: async () => undefined,
    refresh: () => undefined,
  };
}

type Key = string | number | readonly (string | number)[];

function memoryTable<V, K extends Key>(): Table<V, K> {
  const entries = new Map<string, { readonly key: K; readonly value: string }>();
  let ordered: readonly { readonly key: K; readonly value: string }[] | undefined;
  const nameOf = (key: K): string => JSON.stringify(key);
  const range = ({ start, end, exclusiveStart = false, limit = Number.POSITIVE_INFINITY }: Range) => {
    ordered ??= [...entries.values()].sort((one, other) => compare(one.key, other.key));
    const within = (key: K): boolean => {
      const from = start === undefined ? 1 : compare(key, start);
      return (from > 0 || (from === 0 && !exclusiveStart)) && (end === undefined || compare(key, end) < 0);
    };
    const found: { readonly key: K; readonly value: string }[] = [];
    for (const entry of ordered) {
      if (found.length >= limit) break;
      if (within(entry.key)) found.push(entry);
    }
    return found;
  };
  return {
    get: (key) => {
      const entry = entries.get(nameOf(key));
      return entry === undefined ? undefined : (JSON.parse(entry.value) as V);
    },
    doesExist: (key) => entries.has(nameOf(key)),
    put: (key, value) => {
      entries.set(nameOf(key), { key, value: JSON.stringify(value) });
      ordered = undefined;
    },
    remove: (key) => {
      if (entries.delete(nameOf(key))) ordered = undefined;
    },
    getRange: (options) => range(options).map(({ key, value }) => ({ key, value: JSON.parse(value) as V })),
    getKeys: (options) => range(options).map(({ key }) => key),
  };
}

/** Numbers by size, texts by code point, lists member by member, a list before those that it begins. */
function compare(one: Key, other: Key): number {
  if (Array.isArray(one) && Array.isArray(other)) {
    for (const [at, member] of one.entries()) {
      if (at >= other.length) return 1;
      const order = compare(member, other[at]);
      if (order !== 0) return order;
    }
    return one.length - other.length;
  }
  if (typeof one === 'string' && typeof other === 'string') return Buffer.compare(Buffer.from(one), Buffer.from(other));
  return Number(one) - Number(other);
}
