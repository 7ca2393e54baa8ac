/** Counts by name; a name that counts nothing is forgotten. */
export function createCounts(): { add(name: string, change: number): void; of(name: string): number } {
  const counts = new Map<string, number>();
  return {
    add(name, change) {
      const count = (counts.get(name) ?? 0) + change;
      if (count > 0) counts.set(name, count);
      else counts.delete(name);
    },
    of: (name) => counts.get(name) ?? 0,
  };
}
