import type { Gathering, Redoable } from './gathered.ts';
import type { Range, Table } from './tables.ts';

/** What the rows are kept in: position of a row's first record to the texts of its records, one a line. LMDB's databases have this shape. */
export interface Rows<K extends string | number> {
  get(key: K): string | undefined;
  put(key: K, value: string): unknown;
  remove(key: K): unknown;
  getRange(range: Range & { readonly reverse?: boolean }): Iterable<{ key: K; value: string }>;
}

/**
 * Characters after which a row is full: with one more record of a call it still fits three pages of the database, which has long values on pages of their
 * own. Longer ones save nothing more, and whoever reads one record reads its row.
 */
const rowCharactersMax = 11_500;

/**
 * The journal, position by position, over rows of the records that one transaction appended: an entry of the database costs more than the hash of
 * a record does. A record's text has no line break. Each says by its hash whether it is what was written; that none is missing, and each has its own
 * position, is what the number of records in front of them is for. Ranges are of what was committed: whoever follows the journal reads nothing that may yet be lost.
 * @param options.damaged what is thrown where a row has lost records
 * @param options.aside told of changes that are no line of `redo`
 */
export function journalRows(
  under: Rows<number>,
  { damaged, aside = () => undefined }: { damaged: (problem: string) => Error; aside?: () => void },
): Table<string, number> & Gathering & Redoable {
  /** Of this transaction, in the order of their positions. */
  let added: { position: number; text: string }[] = [];
  let removed = new Set<number>();
  let told = 0;
  let open = false;

  const linesOf = (key: number, value: string): string[] => {
    // As stores of version 3 have them.
    if (value.startsWith('{')) return [value];
    const [count, ...lines] = value.split('\n');
    if (count === String(lines.length)) return lines;
    throw damaged(`the journal's row at position ${key} holds ${lines.length} records, not ${count?.slice(0, 9)}`);
  };
  /** The row that would hold a position. */
  const rowAt = (position: number): { key: number; lines: string[] } | undefined => {
    for (const { key, value } of under.getRange({ start: position, reverse: true, limit: 1 })) return { key, lines: linesOf(key, value) };
    return undefined;
  };
  const drop = (positions: ReadonlySet<number>): void => {
    const done = new Set<number>();
    for (const position of positions) {
      const row = done.has(position) ? undefined : rowAt(position);
      if (!row || position >= row.key + row.lines.length) continue;
      under.remove(row.key);
      const kept = row.lines.map((text, at) => ({ position: row.key + at, text }));
      for (const one of kept) done.add(one.position);
      append(kept.filter((one) => !positions.has(one.position)));
    }
  };
  const append = (records: readonly { position: number; text: string }[]): void => {
    let lines: string[] = [];
    let first = 0;
    let characters = 0;
    for (const { position, text } of records) {
      if (lines.length > 0 && (characters >= rowCharactersMax || position !== first + lines.length)) {
        under.put(first, `${lines.length}\n${lines.join('\n')}`);
        lines = [];
      }
      if (lines.length === 0) {
        first = position;
        characters = 0;
      }
      lines.push(text);
      characters += text.length;
    }
    if (lines.length > 0) under.put(first, `${lines.length}\n${lines.join('\n')}`);
  };
  const flush = (): boolean => {
    const wrote = added.length > 0 || removed.size > 0;
    if (removed.size > 0) drop(removed);
    removed = new Set();
    append(added);
    added = [];
    told = 0;
    return wrote;
  };
  const get = (position: number): string | undefined => {
    if (removed.has(position)) return undefined;
    const one = added.find((each) => each.position === position);
    if (one) return one.text;
    const row = rowAt(position);
    return row?.lines[position - row.key];
  };
  function* entries({ start = Number.NEGATIVE_INFINITY, end = Number.POSITIVE_INFINITY, exclusiveStart = false, limit }: Range) {
    const from = Number(start);
    const until = Number(end);
    let left = limit ?? Number.POSITIVE_INFINITY;
    const before = Number.isFinite(from) ? rowAt(from)?.key : undefined;
    const within = before ?? (Number.isFinite(from) ? from : undefined);
    for (const { key, value } of under.getRange(within === undefined ? {} : { start: within })) {
      for (const [at, text] of linesOf(key, value).entries()) {
        const position = key + at;
        if (position < from || (exclusiveStart && position === from)) continue;
        if (left <= 0 || position >= until) return;
        left -= 1;
        yield { key: position, value: text };
      }
      if (left <= 0) return;
    }
  }
  return {
    get,
    doesExist: (position) => get(position) !== undefined,
    put(position, text) {
      if (text.includes('\n')) throw new Error('A record is one line.');
      added.push({ position, text });
      if (!open) flush();
    },
    remove(position) {
      aside();
      removed.add(position);
      if (!open) flush();
    },
    getRange: entries,
    *getKeys(range) {
      for (const { key } of entries(range)) yield key;
    },
    redo() {
      const lines = added.slice(told).map(({ position, text }) => `${position} ${text}`);
      told = added.length;
      return lines;
    },
    replay(line) {
      const end = line.indexOf(' ');
      added.push({ position: Number(line.slice(0, end)), text: line.slice(end + 1) });
    },
    begin() {
      open = true;
      told = 0;
      added = [];
      removed = new Set();
    },
    end() {
      try {
        return flush();
      } finally {
        open = false;
      }
    },
  };
}
