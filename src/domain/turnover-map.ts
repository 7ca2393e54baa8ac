/** Entries of a fresh map's first table that are worth copying often. */
const addedMin = 32;

/**
 * A map of what comes and goes with every call. A Map rebuilds its table in place as entries come and go, and in V8 each table that it leaves points to
 * the next one. The first of them soon lies in the old space, where nothing is collected before the next full collection, and keeps alive all that
 * follow, with whatever they held when they were left: every call, whole (measured: 14 KB each, copied twice by the collector). This one goes on
 * in a fresh Map instead, after as many additions as it has entries.
 */
export class TurnoverMap<K, V> {
  private entries = new Map<K, V>();
  private added = 0;

  get size(): number {
    return this.entries.size;
  }

  get(key: K): V | undefined {
    return this.entries.get(key);
  }

  has(key: K): boolean {
    return this.entries.has(key);
  }

  set(key: K, value: V): void {
    this.entries.set(key, value);
    this.added += 1;
    if (this.added <= Math.max(addedMin, this.entries.size)) return;
    this.entries = new Map(this.entries);
    this.added = 0;
  }

  delete(key: K): boolean {
    return this.entries.delete(key);
  }

  clear(): void {
    this.entries = new Map();
    this.added = 0;
  }

  /** As they are now, in the order in which they came: what comes or goes while they are looked at changes nothing of it. */
  values(): V[] {
    return [...this.entries.values()];
  }
}
