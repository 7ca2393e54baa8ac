import type { Clock } from './ports/clock.ts';

/** The machine's clocks. Everything else is given a Clock. */
export const systemClock: Clock = { now: () => Date.now(), monotonic: () => performance.now() };
