import type { Keyring } from '../../ports/keyring.ts';

/** Tells those who asked what has changed, one round at a time, and knows up to where all of them have acted on it. */
export interface Acting {
  /** Id of the last entry of the feed that was acted on; '' at first. */
  readonly acted: string;
  onChange: Keyring['onChange'];
  /** Has these keys judged with the next round. */
  add(keys: readonly string[]): void;
  addAll(): void;
  /** Begins a round, where none runs and anything is left to do. @param through  the entry up to which everything was added, where that is known */
  act(through?: string): void;
  /** Nobody is told anything more. */
  stop(): void;
}

/** @param options.beat  says how far this process has come; called after each round */
export function createActing({ beat }: { beat: (acted: string) => Promise<unknown> }): Acting {
  const listeners: Parameters<Keyring['onChange']>[0][] = [];
  let waiting = new Set<string>();
  let all = false;
  let reached = '';
  let acted = '';
  let running = false;
  let stopped = false;

  const tell = async (changed: readonly string[] | 'all'): Promise<void> => {
    if (changed === 'all' || changed.length > 0) await Promise.all(listeners.map((listener) => listener(changed)));
  };

  /** Resolves to false where a listener could not act: what it was told is kept for the round after the feed's next answer. */
  const round = async (): Promise<boolean> => {
    const now = { changed: all ? ('all' as const) : [...waiting], through: reached };
    all = false;
    waiting = new Set();
    try {
      await tell(now.changed);
    } catch {
      if (now.changed === 'all') all = true;
      else for (const key of now.changed) waiting.add(key);
      return false;
    }
    acted = now.through;
    // The next answer of the feed is followed by another one.
    await beat(acted).catch(() => undefined);
    return true;
  };

  const run = async (): Promise<void> => {
    running = true;
    while (!stopped && (all || waiting.size > 0 || acted !== reached)) if (!(await round())) break;
    // In the same turn as the look at what is left, or what comes in between would wait for the feed's next answer.
    running = false;
  };

  return {
    get acted() {
      return acted;
    },
    onChange: (listener) => void listeners.push(listener),
    add(keys) {
      for (const key of keys) waiting.add(key);
    },
    addAll() {
      all = true;
    },
    act(through = reached) {
      reached = through;
      if (!running) void run();
    },
    stop() {
      stopped = true;
    },
  };
}
