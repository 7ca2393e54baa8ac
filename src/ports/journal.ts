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

/** Reading side of the journal, as exact text lines. Appending happens only inside ledger and keyring commits. */
export interface Journal {
  /** Lines after `after` (a sequence number; 0 for all), in order. */
  read(options: { after: number; limit: number }): { seq: number; text: string }[];
  head(): { seq: number; hash: string };
  checkpoints(): Checkpoint[];
  /** Signs the head and keeps the statement in the store and in the append-only manifest beside it; undefined when nothing is new. */
  checkpoint(now: number): Promise<Checkpoint | undefined>;
  /** Drops records older than `before`, leaving a signed anchor that the rest still verifies against. */
  prune(options: { before: number; now: number }): Promise<number>;
}
