/** Sealed parts of the journal, and the anchors that stand for pruned ones. Each series is numbered from 1. */
export interface ArchiveName {
  readonly series: ArchiveSeries;
  /** A safe integer, 1 or more. */
  readonly number: number;
}

export type ArchiveSeries = 'segments' | 'anchors';

/**
 * Keeps texts by number, each written once. Every replica must see the same archive. A rejected promise means that nothing can be said about
 * what was asked for. Messages name the archive and hold no secret.
 */
export interface Archive {
  /** Keeps the text durably. False where the number is taken already, which is the fence between two writers; nothing is ever replaced. */
  put(name: ArchiveName, text: string): Promise<boolean>;
  /** The text exactly as it was put, or undefined where there is none. */
  get(name: ArchiveName): Promise<string | undefined>;
  /** The highest number of a series, 0 where it is empty. */
  newest(series: ArchiveSeries): Promise<number>;
  /** Removes what pruning drops; absent names are no error. */
  remove(name: ArchiveName): Promise<void>;
  /** Where it stands, for messages. */
  describe(): string;
}
