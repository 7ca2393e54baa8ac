/**
 * What this process has heard of key changes. A change has two halves: it begins, and later it is done. In between nobody can tell whether the
 * record has changed, so the key is unsettled. Times in ms on a clock that never goes back.
 */
export interface KeyChanges {
  /** Grows with every change that was heard. */
  readonly epoch: number;
  /** A change of the key began; `entry` names it. */
  begun(id: string, entry: string, now: number): void;
  /** The change that began under this name is done, or did not come about. */
  done(id: string, entry: string): void;
  /** The key changed, with no beginning. */
  changed(id: string): void;
  /** Anything may have changed. */
  flush(): void;
  /** Ends the beginnings whose commit can no longer happen: their writer is gone, or could not say that it was done. Answers their keys. */
  expire(now: number): string[];
  /** The epoch of the last change of any of them; Infinity while one is unsettled. */
  changedAt(ids: readonly string[]): number;
}

/** How long after its beginning a change is taken for one that may still come, in ms. Scripts refuse after a third of it; the rest is for clocks. */
const unsettledMsMax = 15_000;
/** Keys whose last change is remembered. Beyond, all that is forgotten counts as changed now. */
const changesMax = 10_000;

export function createKeyChanges(): KeyChanges {
  let epoch = 0;
  /** The last change of every key that is not listed. */
  let floor = 0;
  const changes = new Map<string, number>();
  const unsettled = new Map<string, Map<string, number>>();

  const changed = (id: string): void => {
    epoch += 1;
    if (changes.size >= changesMax && !changes.has(id)) {
      floor = epoch;
      changes.clear();
    }
    changes.set(id, epoch);
  };

  const forget = (id: string, entry: string): void => {
    const entries = unsettled.get(id);
    entries?.delete(entry);
    if (entries?.size === 0) unsettled.delete(id);
  };

  return {
    get epoch() {
      return epoch;
    },
    begun(id, entry, now) {
      const entries = unsettled.get(id) ?? new Map<string, number>();
      // Heard twice, it is still as old as when it was heard first.
      if (!entries.has(entry)) entries.set(entry, now);
      unsettled.set(id, entries);
    },
    done(id, entry) {
      forget(id, entry);
      changed(id);
    },
    changed,
    flush() {
      epoch += 1;
      floor = epoch;
      changes.clear();
    },
    expire(now) {
      const ended: string[] = [];
      for (const [id, entries] of unsettled) {
        for (const [entry, since] of entries) {
          if (now - since < unsettledMsMax) continue;
          forget(id, entry);
          changed(id);
          ended.push(id);
        }
      }
      return ended;
    },
    changedAt(ids) {
      let last = floor;
      for (const id of ids) {
        if (unsettled.has(id)) return Number.POSITIVE_INFINITY;
        last = Math.max(last, changes.get(id) ?? floor);
      }
      return last;
    },
  };
}
