import type { Clock } from '../../ports/clock.ts';

/** How late the event loop is. Times are milliseconds. */
export interface LoopLag {
  /** The least lateness of the last few samples: what is left of a single long task is nothing, what is left of a standing queue is its length. */
  standingMs(): number;
  /** The most within the last minute, for metrics. */
  worstMs(): number;
  /** The most within the last few seconds. */
  recentMs(): number;
  close(): void;
}

/** Time between two samples. */
export const sampleEveryMs = 100;
/** Samples in a row that must all be late for the lateness to count as standing (as CoDel judges queues: RFC 8289, section 3.2). */
const standingSamples = 4;
const worstWithinMs = 60_000;
const recentWithinMs = 5_000;

/** Samples by a timer, so that what is measured costs no request anything. @param options.every calls back again and again, as `setInterval` does */
export function watchLoop(options: { clock: Pick<Clock, 'monotonic'>; every?: (ms: number, act: () => void) => () => void }): LoopLag {
  const { clock, every = everyByTimer } = options;
  const samples: number[] = Array.from({ length: standingSamples }, () => 0);
  const worst = createMaximum(worstWithinMs);
  const recent = createMaximum(recentWithinMs);
  let last = clock.monotonic();
  const stop = every(sampleEveryMs, () => {
    const now = clock.monotonic();
    const lateMs = Math.max(0, now - last - sampleEveryMs);
    last = now;
    samples.shift();
    samples.push(lateMs);
    worst.add(lateMs, now);
    recent.add(lateMs, now);
  });
  return {
    standingMs: () => Math.min(...samples),
    worstMs: () => worst.read(clock.monotonic()),
    recentMs: () => recent.read(clock.monotonic()),
    close: stop,
  };
}

/** The largest of the values that are not older than `withinMs`. Keeps only those that can still become it. */
function createMaximum(withinMs: number): { add(value: number, now: number): void; read(now: number): number } {
  const kept: { value: number; at: number }[] = [];
  const drop = (now: number): void => {
    while (kept[0] && kept[0].at < now - withinMs) kept.shift();
  };
  return {
    add(value, now) {
      drop(now);
      for (let last = kept.at(-1); last && last.value <= value; last = kept.at(-1)) kept.pop();
      kept.push({ value, at: now });
    },
    read(now) {
      drop(now);
      return kept[0]?.value ?? 0;
    },
  };
}

function everyByTimer(ms: number, act: () => void): () => void {
  const timer = setInterval(act, ms);
  // To be watched is no reason to go on.
  timer.unref();
  return () => clearInterval(timer);
}
