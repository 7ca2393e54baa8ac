/** A call's place at an upstream. */
export interface Place {
  /** Gives the place up, or stops waiting for one. Doing so again does nothing. */
  leave(): void;
}

export interface Bulkhead {
  readonly running: number;
  readonly waiting: number;
  /**
   * Begins at once where there is room, else when it is this call's turn. Undefined where as many wait already as may.
   * @param options.beyond begins whatever runs
   */
  enter(begin: () => void, options: { beyond: boolean }): Place | undefined;
}

/** Bounds how many calls run at one upstream, and how many wait, first come first served. */
export function createBulkhead(limits: () => { concurrencyMax: number; queueMax: number }): Bulkhead {
  const queue = new Set<() => void>();
  let running = 0;

  const next = (): void => {
    for (const start of queue) {
      if (running >= limits().concurrencyMax) return;
      queue.delete(start);
      start();
    }
  };

  return {
    get running() {
      return running;
    },
    get waiting() {
      return queue.size;
    },
    enter(begin, { beyond }) {
      const { concurrencyMax, queueMax } = limits();
      let state: 'waiting' | 'running' | 'left' = 'waiting';
      const start = (): void => {
        state = 'running';
        running += 1;
        begin();
      };
      const place: Place = {
        leave() {
          if (state === 'running') running -= 1;
          else queue.delete(start);
          const freed = state === 'running';
          state = 'left';
          if (freed) next();
        },
      };
      if (beyond || running < concurrencyMax) start();
      else if (queue.size >= queueMax) return undefined;
      else queue.add(start);
      return place;
    },
  };
}
