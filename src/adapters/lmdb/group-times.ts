import type { Clock } from '../../ports/clock.ts';
import { patienceMs } from './commits.ts';

/** Where so many acts that somebody waits for are to be expected in that time, a group waits it for company (ADR 0016). */
const lingerActsMin = 8;
const lingerMsMax = 2;

/** The share of the last group in how many acts are expected. */
const freshShare = 0.3;

/** When the next group of acts is written to the file ahead. */
export class GroupTimes {
  private readonly clock: Pick<Clock, 'monotonic'>;
  private readonly later: (ms: number, act: () => void) => void;
  private readonly write: () => void;
  private asked = false;
  private askedPatiently = false;
  private lastAt = 0;
  /** How many acts that somebody waits for come in a millisecond. */
  private expected = 0;

  /** @param options.write writes a group of what there is, or does nothing where there is none */
  constructor(options: { clock: Pick<Clock, 'monotonic'>; later: (ms: number, act: () => void) => void; write: () => void }) {
    this.clock = options.clock;
    this.later = options.later;
    this.write = options.write;
  }

  /** Somebody waits. @param soon calls back when those who come together have come */
  ask(soon: (act: () => void) => void): void {
    if (this.asked) return;
    this.asked = true;
    const write = (): void => {
      this.asked = false;
      this.write();
    };
    if (this.expected * lingerMsMax >= lingerActsMin) this.later(lingerMsMax, write);
    else soon(write);
  }

  /** Nobody waits: what there is shares the next group, if there is one within a moment. */
  askPatiently(): void {
    if (this.askedPatiently) return;
    this.askedPatiently = true;
    this.later(patienceMs, () => {
      this.askedPatiently = false;
      this.write();
    });
  }

  /** @param urgent how many acts of a group that is written now somebody waits for */
  wrote(urgent: number): void {
    const now = this.clock.monotonic();
    const passedMs = now - this.lastAt;
    this.lastAt = now;
    if (passedMs > 0) this.expected += freshShare * (urgent / passedMs - this.expected);
  }
}
