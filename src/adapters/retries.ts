import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/observe.ts';
import type { Retries } from '../ports/retries.ts';

/** Acts that wait at the same time. A store that is away for long would otherwise fill the memory with what it missed. */
const waitingMax = 10_000;
const pauseMs = { first: 200, max: 2_000 };

/** Tries again with growing pauses. @param options.waitingMax 10,000 where not given */
export function createRetries(options: { clock: Clock; log: Log; waitingMax?: number }): Retries & { close(): void } {
  const { clock, log } = options;
  const most = options.waitingMax ?? waitingMax;
  let closed = false;
  let waiting = 0;

  const run = async ({ what, act, until, facts, quiet }: Parameters<Retries['keepTrying']>[0]): Promise<void> => {
    for (let wait = pauseMs.first; ; wait = Math.min(wait * 2, pauseMs.max)) {
      await pause(wait);
      if (closed) return;
      try {
        return await act();
      } catch (error) {
        if (clock.now() + wait < until) continue;
        if (!quiet) log.fault(`${what} failed until it was too late`, error, facts);
        return;
      }
    }
  };

  return {
    keepTrying(retry) {
      if (waiting >= most) {
        log.warn(`${retry.what} is not tried again: too much waits for the store`, retry.facts);
        return;
      }
      waiting += 1;
      void run(retry).finally(() => {
        waiting -= 1;
      });
    },
    close() {
      closed = true;
    },
  };
}

/** Holds up no process that wants to end. */
function pause(ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  setTimeout(resolve, ms).unref();
  return promise;
}
