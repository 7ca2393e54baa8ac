import { AsyncLocalStorage } from 'node:async_hooks';

/** A process that is simulated: its timers end with it. */
export interface Owner {
  alive: boolean;
}

interface Timer {
  due: number;
  readonly order: number;
  readonly everyMs: number | undefined;
  readonly run: () => void;
  readonly owner: Owner | undefined;
}

/** Time that passes only when it is told to. While it is taken over, the global timers are its own. */
export interface VirtualTime {
  /** Milliseconds that have passed so far. */
  readonly elapsed: number;
  /** Runs the act as a part of this process: timers that it or anything after it sets end with the process. */
  within<T>(owner: Owner | undefined, act: () => T): T;
  /** Lets everything happen that needs no time. */
  settled(): Promise<void>;
  /** Lets so many milliseconds pass: each timer that falls due runs, and all that follows from it, before the next one. */
  pass(ms: number): Promise<void>;
  restore(): void;
}

const globals = ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] as const;

export function takeOverTime(): VirtualTime {
  const owners = new AsyncLocalStorage<Owner>();
  const timers = new Map<object, Timer>();
  const kept = globals.map((name) => [name, globalThis[name]] as const);
  let elapsed = 0;
  let order = 0;

  const set =
    (repeated: boolean) =>
    (act: (...args: unknown[]) => void, ms: number | undefined, ...args: unknown[]) => {
      const waitMs = Math.max(1, Number(ms) || 0);
      order += 1;
      const owner = owners.getStore();
      const run = AsyncLocalStorage.bind(() => act(...args));
      const timer: Timer = { due: elapsed + waitMs, order, everyMs: repeated ? waitMs : undefined, run, owner };
      const handle = {
        ref: () => handle,
        unref: () => handle,
        hasRef: () => true,
        refresh: () => {
          timer.due = elapsed + waitMs;
          timers.set(handle, timer);
          return handle;
        },
        close: () => void timers.delete(handle),
      };
      timers.set(handle, timer);
      return handle;
    };
  const clear = (handle: object | undefined) => void (handle && timers.delete(handle));
  Object.assign(globalThis, { setTimeout: set(false), setInterval: set(true), clearTimeout: clear, clearInterval: clear });

  const next = (until: number): [object, Timer] | undefined => {
    let first: [object, Timer] | undefined;
    for (const entry of timers) {
      const [handle, timer] = entry;
      if (timer.owner && !timer.owner.alive) timers.delete(handle);
      else if (timer.due <= until && (!first || timer.due < first[1].due || (timer.due === first[1].due && timer.order < first[1].order)))
        first = entry;
    }
    return first;
  };

  const time: VirtualTime = {
    get elapsed() {
      return elapsed;
    },
    within: (owner, act) => (owner ? owners.run(owner, act) : owners.exit(act)),
    // Immediates come when nothing is left to do that was promised.
    settled: () => new Promise((resolve) => setImmediate(resolve)),
    async pass(ms) {
      const until = elapsed + ms;
      await time.settled();
      for (let due = next(until); due; due = next(until)) {
        const [handle, timer] = due;
        elapsed = Math.max(elapsed, timer.due);
        if (timer.everyMs === undefined) timers.delete(handle);
        else timer.due = elapsed + timer.everyMs;
        timer.run();
        await time.settled();
      }
      elapsed = until;
    },
    restore() {
      for (const [name, own] of kept) Object.assign(globalThis, { [name]: own });
    },
  };
  return time;
}
