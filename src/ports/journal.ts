import type { Checkpoint } from '../domain/record.ts';

/** What is wrong with a journal, and where. */
export interface JournalFault {
  readonly partition: string;
  readonly seq: number;
  readonly problem: string;
}

export interface JournalReport {
  readonly ok: boolean;
  readonly records: number;
  readonly checkpoints: number;
  readonly firstSeq?: number;
  readonly lastSeq?: number;
  readonly faults: readonly JournalFault[];
  /** Times in which refusals could not be recorded, as `gap` records state them. */
  readonly gaps: readonly { seq: number; from?: string; to?: string }[];
}

/** One record as it stands, and its place in the order in which the journal is read. */
export interface JournalLine {
  readonly position: number;
  /** The exact text, which is what hashes and signatures are over. */
  readonly text: string;
}

/**
 * Reading side of the journal, as exact text lines. Appending happens only inside ledger and keyring commits. A store may keep several
 * partitions, each a chain of its own; lines of all come in one order that never changes, in which each partition's records ascend.
 */
export interface Journal {
  /** Lines after a position (0 for all), in order, at most `limit`. */
  read(options: { after: number; limit: number }): Promise<JournalLine[]>;
  /** The position of the last line, once everything that was committed before this call can be read. 0 for an empty journal. */
  head(): Promise<number>;
  /** The newest signed statement about each partition, and the anchors that stand for pruned records. */
  checkpoints(): Promise<Checkpoint[]>;
  /** What is missing or wrong as far as the store itself can tell, such as a part of the journal that is gone. */
  faults(): Promise<JournalFault[]>;
  /** Signs what is there now, where anything is new, and keeps the statement. Resolves to the statements made. */
  checkpoint(now: number): Promise<Checkpoint[]>;
  /** Makes room where many commits wait to be made readable. Cheap where none do; to be called every two seconds or so. */
  keepUp(now: number): Promise<void>;
  /** Drops records older than `before`, leaving signed anchors that the rest still verifies against. Resolves to how many. */
  prune(options: { before: number; now: number }): Promise<number>;
}
