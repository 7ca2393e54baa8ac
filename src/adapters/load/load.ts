import { Denial } from '../../domain/denial.ts';
import type { Load, RequestPlace } from '../../ports/load.ts';
import type { LoopLag } from './loop-lag.ts';

export interface LoadLimits {
  readonly requestsMax: number;
  readonly bodiesBytesMax: number;
  readonly loopLagMsMax: number;
}

/** A task that long delays whoever comes meanwhile by as much: a load balancer should know. */
const blockedMs = 1_000;
const retryAfterMs = 1_000;

/** Counts what is under way and says when it is enough. The refusals are made once: one is thrown for each request of a flood. */
export function createLoad(options: { limits: () => LoadLimits; lag: LoopLag }): Load {
  const { limits, lag } = options;
  const counts: Counts = { requests: 0, bodyBytes: 0, bodiesBytesMax: () => limits().bodiesBytesMax };
  const tooMany = refused('Too many requests are under way.');
  const tooLate = refused('The process is behind with its work.');
  const tooMuch = refused('Too much is being sent at once.');

  const judge = (): Denial | undefined => {
    const { requestsMax, bodiesBytesMax, loopLagMsMax } = limits();
    if (counts.requests >= requestsMax) return tooMany;
    if (counts.bodyBytes >= bodiesBytesMax) return tooMuch;
    return lag.standingMs() > loopLagMsMax ? tooLate : undefined;
  };

  return {
    enter: () => new Place(counts, judge()),
    get requests() {
      return counts.requests;
    },
    get bodyBytes() {
      return counts.bodyBytes;
    },
    lagMs: lag.worstMs,
    trouble() {
      const lateMs = lag.recentMs();
      return lateMs >= blockedMs ? `the event loop was blocked for ${Math.round(lateMs)} ms` : undefined;
    },
  };
}

interface Counts {
  requests: number;
  bodyBytes: number;
  readonly bodiesBytesMax: () => number;
}

/** A class, since one is made for each request. */
class Place implements RequestPlace {
  readonly refusal: Denial | undefined;
  private readonly counts: Counts;
  private bytes = 0;
  private counted: boolean;

  constructor(counts: Counts, refusal: Denial | undefined) {
    this.counts = counts;
    this.refusal = refusal;
    // What is refused is over at once, and a flood of it must not keep others out.
    this.counted = refusal === undefined;
    if (this.counted) counts.requests += 1;
  }

  keep(bytes: number): boolean {
    this.bytes += bytes;
    this.counts.bodyBytes += bytes;
    return this.counts.bodyBytes <= this.counts.bodiesBytesMax();
  }

  giveWay(): void {
    if (!this.counted) return;
    this.counted = false;
    this.counts.requests -= 1;
  }

  leave(): void {
    this.giveWay();
    this.counts.bodyBytes -= this.bytes;
    this.bytes = 0;
  }
}

function refused(detail: string): Denial {
  return new Denial('OVERLOADED', { detail, facts: { retryAfterMs } });
}
