/** A worker that lived as long has not died of how it was started, in milliseconds. */
const soundMs = 10_000;
const firstPauseMs = 500;
const pauseMsMax = 30_000;

/** How long to wait before a worker that died is replaced: not at all after a good life, and ever longer where each dies at once. Milliseconds. */
export function pauseAfter({ livedMs, pausedMs }: { livedMs: number; pausedMs: number }): number {
  if (livedMs >= soundMs) return 0;
  return Math.min(pauseMsMax, Math.max(firstPauseMs, 2 * pausedMs));
}
