/**
 * Work that one process of all must do, such as sealing the journal or sending webhooks. A duty is held for a while at a time and taken over
 * by another process when its holder is gone. Holding one is no proof that nobody else acts: what a duty does must be harmless when done twice.
 */
export interface Duties {
  /** Takes the duty, or keeps it, for `ms` milliseconds from now; false where another process holds it. */
  hold(name: string, ms: number): Promise<boolean>;
  /** Lets the duty go, where this process holds it. */
  release(name: string): Promise<void>;
  /** How far the duty has come, 0 where it was never done. */
  progress(name: string): Promise<number>;
  /** Keeps how far it has come; never backwards. */
  advance(name: string, position: number): Promise<void>;
}
