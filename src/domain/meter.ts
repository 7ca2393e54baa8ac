/**
 * What one evaluation of a condition may cost. Arguments come from clients: without a bound, `args.a.all(x, x in args.b)` on two long lists stops the
 * process for many seconds.
 */
export interface Meter {
  /**
   * False where the evaluation has cost too much: then whoever pays gives any answer at once, and the whole counts as false. It does not throw,
   * because CEL's all() and exists() carry errors along and go on to the next element.
   */
  spend(steps: number): boolean;
  readonly exhausted: boolean;
  reset(): void;
}

/** About 0.1 s. A step is one list element or map entry looked at, or one character given to a regular expression. */
const stepsMax = 1_000_000;

export function createMeter(): Meter {
  let left = stepsMax;
  return {
    spend(steps) {
      left -= steps;
      return left >= 0;
    },
    get exhausted() {
      return left < 0;
    },
    reset() {
      left = stepsMax;
    },
  };
}
