import { randomUUID } from 'node:crypto';

/**
 * Tells at the beginning of a commit whether the store is exactly as the last commit of this environment left it: then what is remembered of it
 * still holds. Each commit that writes anything leaves a mark that no other one leaves, in the same transaction, so commits of other processes
 * are noticed, and so are those of our own that were never kept because the disk was full.
 */
export interface CommitMark {
  /** To be asked once in each commit, at its beginning. */
  stands(): boolean;
  /** The mark that the store has; undefined where nobody has left one. */
  stored(): string | undefined;
  /** From now on nothing that is remembered holds, until the mark is kept or left anew. */
  lose(): void;
  /** The mark that stands goes on: the commit wrote nothing. */
  keep(): void;
  /** Leaves the next mark; the last write of a commit. */
  leave(): void;
}

/** What the mark is kept in. */
interface Notes {
  get(name: string): unknown;
  put(name: string, value: string): unknown;
}

const name = 'last commit';

export function createCommitMark(notes: Notes): CommitMark {
  const environment = randomUUID();
  let commits = 0;
  let good = false;
  const text = (): string => `${environment} ${commits}`;
  return {
    stands: () => good && notes.get(name) === text(),
    stored: () => notes.get(name) as string | undefined,
    lose() {
      good = false;
    },
    keep() {
      good = true;
    },
    leave() {
      commits += 1;
      notes.put(name, text());
      good = true;
    },
  };
}
