import type { CommitMark } from './commit-mark.ts';
import type { Gathering } from './gathered.ts';

/**
 * Runs a commit's body with all writes of these tables put off to its end. Each table is brought to its end, whatever the body or another
 * table's writes come to.
 */
export function createGathering(tables: readonly Gathering[], mark: CommitMark): <T>(body: () => T) => T {
  /** Whether any of them wrote. @throws the first fault, once all have ended */
  const endAll = (): boolean => {
    const faults: unknown[] = [];
    let wrote = false;
    for (const table of tables) {
      try {
        wrote = table.end() || wrote;
      } catch (fault) {
        faults.push(fault);
      }
    }
    if (faults.length > 0) throw faults[0];
    return wrote;
  };
  return (body) => {
    const kept = mark.stands();
    // What a fault leaves half done is not what the tables remember.
    mark.lose();
    for (const table of tables) table.begin(kept);
    let done: { readonly value: ReturnType<typeof body> } | undefined;
    let wrote = false;
    try {
      done = { value: body() };
    } finally {
      wrote = endAll();
    }
    if (wrote) mark.leave();
    else if (kept) mark.keep();
    return done.value;
  };
}
