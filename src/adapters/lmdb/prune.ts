import { type Checkpoint, hashOfText, type RecordFacts } from '../../domain/record.ts';
import { type ChainEnd, draftInEach, writeDrafts } from './append.ts';
import { checkpointKey } from './checkpoint-key.ts';
import type { Tables } from './tables.ts';

/** Records that one commit drops. */
const pruneBatchMax = 1000;

/** Some of the oldest records, ready to be dropped once an anchor is signed over the last of each partition. */
export interface PruneBatch {
  readonly last: readonly (ChainEnd & { readonly partition: string })[];
  readonly count: number;
  /** To be run inside one commit: drops the records, keeps the anchors, and records the pruning. False where another process was first. */
  readonly drop: (anchors: readonly Checkpoint[]) => boolean;
}

/**
 * The next records from the front that are older than `before`, up to position `through`; undefined where there are none.
 * It stops at the first record that is young enough: a clock that was set back leaves no hole in a chain.
 */
export function pruneBatch(tables: Tables, options: { before: number; through: number; now: number }): PruneBatch | undefined {
  const { before, through, now } = options;
  const positions: number[] = [];
  const spans = new Map<string, ChainEnd & { readonly from: number }>();
  for (const { key: position, value: text } of tables.journal.getRange({ limit: pruneBatchMax })) {
    const { partition, seq, time } = JSON.parse(text) as { partition: string; seq: number; time: string };
    const hash = hashOfText(text)?.stated;
    if (position > through || !(Date.parse(time) < before) || hash === undefined) break;
    positions.push(position);
    spans.set(partition, { from: spans.get(partition)?.from ?? seq, seq, hash });
  }
  if (positions.length === 0) return undefined;
  const drop = (anchors: readonly Checkpoint[]): boolean => {
    const [front] = tables.journal.getKeys({ limit: 1 });
    if (front !== positions[0]) return false;
    const facts = [...spans].map(([partition, { from, seq }]): [string, RecordFacts] => {
      const span = { fromSeq: from, throughSeq: seq, before: new Date(before).toISOString() };
      return [partition, { kind: 'journal.pruned', ...span }];
    });
    const drafts = draftInEach(tables, now, new Map(facts));
    for (const position of positions) tables.journal.remove(position);
    for (const anchor of anchors) tables.checkpoints.put(checkpointKey(anchor), anchor);
    writeDrafts(tables, drafts);
    return true;
  };
  return { last: [...spans].map(([partition, { seq, hash }]) => ({ partition, seq, hash })), count: positions.length, drop };
}
