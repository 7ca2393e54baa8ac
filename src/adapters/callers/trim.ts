/** Drops the oldest entry where there are more than `max`. Called after each addition, so one is enough. */
export function trim(entries: Map<unknown, unknown> | Set<unknown>, max: number): void {
  if (entries.size <= max) return;
  for (const oldest of entries.keys()) {
    entries.delete(oldest);
    return;
  }
}
