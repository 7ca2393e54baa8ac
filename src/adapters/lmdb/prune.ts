import { type Checkpoint, hashOfText } from '../../domain/record.ts';
import { draftRecords, type Head, writeDrafts } from './append.ts';
import type { Tables } from './tables.ts';

/** Records that one commit drops. */
const pruneBatchMax = 1000;

/** Some of the oldest records, ready to be dropped once an anchor is signed over the last of them. */
export interface PruneBatch {
  readonly last: Head;
  readonly count: number;
  /** To be run inside one commit: drops the records, keeps the anchor, and records the pruning. False where another process was first. */
  readonly drop: (anchor: Checkpoint) => boolean;
}

/**
 * The next records from the front that are older than `before`, up to `through`; undefined where there are none.
 * It stops at the first record that is young enough: a clock that was set back leaves no hole in the chain.
 */
export function pruneBatch(tables: Tables, options: { before: number; through: number; now: number }): PruneBatch | undefined {
  const { before, through, now } = options;
  const old: { seq: number; hash: string }[] = [];
  for (const { key: seq, value: text } of tables.journal.getRange({ limit: pruneBatchMax })) {
    const { time } = JSON.parse(text) as { time: string };
    const hash = hashOfText(text)?.stated;
    if (seq > through || !(Date.parse(time) < before) || hash === undefined) break;
    old.push({ seq, hash });
  }
  const [first] = old;
  const last = old.at(-1);
  if (!first || !last) return undefined;
  const drop = (anchor: Checkpoint): boolean => {
    const [front] = tables.journal.getKeys({ limit: 1 });
    if (front !== first.seq) return false;
    const span = { fromSeq: first.seq, throughSeq: last.seq, before: new Date(before).toISOString() };
    const drafts = draftRecords(tables, now, [{ kind: 'journal.pruned', ...span }]);
    for (const { seq } of old) tables.journal.remove(seq);
    tables.checkpoints.put(anchor.seq, anchor);
    writeDrafts(tables, drafts);
    return true;
  };
  return { last, count: old.length, drop };
}
