import {
  type CircuitBreakerPolicy,
  CircuitState,
  ConsecutiveBreaker,
  CountBreaker,
  circuitBreaker,
  handleWhenResult,
  type IBreaker,
} from 'cockatiel';
import type { BreakerState, BreakerTerms } from '../../domain/upstream-terms.ts';
import type { Clock } from '../../ports/clock.ts';

/** What became of a call, as far as it tells of the upstream: `neither` where the client left or nothing was sent. */
export type Verdict = 'well' | 'failed' | 'neither';

/** A call that was let in. The verdict is told once; later ones count for nothing. */
export interface LetIn {
  /** True for the one call that tries whether the upstream is back. */
  readonly trial: boolean;
  tell(verdict: Verdict): void;
}

export interface Breaker {
  readonly state: BreakerState;
  /** Lets a call in, or returns undefined: the upstream is not to be called for now. */
  enter(): LetIn | undefined;
  /** Milliseconds until a call may be let in again. */
  retryAfterMs(): number;
}

/** While a trial runs nobody knows how long it takes. */
const whileTryingMs = 1_000;

/**
 * One upstream's circuit breaker. cockatiel keeps the states and counts; calls that began before it opened say nothing about the upstream
 * after, so their verdicts are dropped; and a trial whose client leaves is taken up by the next call, where the library would take it for a
 * success.
 */
export function createBreaker(options: {
  terms: BreakerTerms;
  clock: Pick<Clock, 'now'>;
  onChange: (state: BreakerState) => void;
}): Breaker {
  const { terms, clock } = options;
  const counts = counting(terms);
  const policy = circuitBreaker(
    handleWhenResult((verdict) => verdict === 'failed'),
    { breaker: counts, halfOpenAfter: terms.openForMs },
  );
  let openedAt = 0;
  let trial: { readonly decided: PromiseWithResolvers<Verdict>; vacant: boolean } | undefined;
  policy.onStateChange((state) => {
    if (state === CircuitState.Open) openedAt = clock.now();
    options.onChange(nameOf(state));
  });

  const closed: LetIn = {
    trial: false,
    tell(verdict) {
      if (verdict === 'neither' || policy.state !== CircuitState.Closed) return;
      // All that the library does about a success while it is closed, and nearly every call is one: by way of the library it costs five promises.
      if (verdict === 'well') counts.success(CircuitState.Closed);
      else count(policy, verdict);
    },
  };
  const tries = (running: NonNullable<typeof trial>): LetIn => ({
    trial: true,
    tell(verdict) {
      if (verdict === 'neither') running.vacant = true;
      else running.decided.resolve(verdict);
    },
  });

  return {
    get state() {
      return nameOf(policy.state);
    },
    enter() {
      if (policy.state === CircuitState.Closed) return closed;
      if (policy.state === CircuitState.HalfOpen) {
        if (!trial?.vacant) return undefined;
        trial.vacant = false;
        return tries(trial);
      }
      const next = { decided: Promise.withResolvers<Verdict>(), vacant: false };
      let entered = false;
      // The library calls what it lets in before it returns, and otherwise rejects.
      policy
        .execute(() => {
          entered = true;
          return next.decided.promise;
        })
        .catch(() => undefined);
      if (!entered) return undefined;
      trial = next;
      return tries(next);
    },
    retryAfterMs() {
      if (policy.state !== CircuitState.Open) return whileTryingMs;
      return Math.max(1, openedAt + terms.openForMs - clock.now());
    },
  };
}

function count(policy: CircuitBreakerPolicy, verdict: Verdict): void {
  policy.execute(() => verdict).catch(() => undefined);
}

function nameOf(state: CircuitState): BreakerState {
  if (state === CircuitState.HalfOpen) return 'half-open';
  return state === CircuitState.Closed ? 'closed' : 'open';
}

/** Failures in a row, and the share of failures where the terms name one: whichever comes first opens it. */
function counting({ failures, ratio, calls }: BreakerTerms): IBreaker {
  const inARow = new ConsecutiveBreaker(failures);
  if (ratio === undefined) return inARow;
  const share = new CountBreaker({ threshold: ratio, size: calls });
  return {
    state: undefined,
    success(state) {
      inARow.success();
      share.success(state);
    },
    failure(state) {
      const tooMany = inARow.failure();
      return share.failure(state) || tooMany;
    },
  };
}
