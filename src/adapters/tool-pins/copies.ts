import type { ToolPin } from '../../domain/tool-pin.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Pins } from '../../ports/pins.ts';

/** What the store said of an upstream's pins, and when it was asked. */
export interface Copy {
  readonly pins: ReadonlyMap<string, ToolPin>;
  readonly revision: number;
  readonly readAt: number;
}

/** A copy younger than this is used as it is; up to the second bound it is used too, while a younger one is read. Milliseconds. */
const freshMs = 1_000;
const staleMs = 2_000;

/** Copies of the store's pins. Calls cost no round trip; what changed is read within the bound, and where the store is silent nothing is said. */
export interface PinCopies {
  /** @throws Error where the store does not answer and the copy is older than the bound */
  fresh(upstream: string): Copy | Promise<Copy>;
  /** The newest copy, however old. */
  known(upstream: string): Copy | undefined;
  /** Reads anew, whatever there is. */
  read(upstream: string): Promise<Copy>;
}

export function createPinCopies({ pins, clock }: { pins: Pins; clock: Clock }): PinCopies {
  const copies = new Map<string, Copy>();
  const reading = new Map<string, Promise<Copy>>();

  const readNow = async (upstream: string): Promise<Copy> => {
    const readAt = clock.monotonic();
    const revision = await pins.revision(upstream);
    const before = copies.get(upstream);
    const found = before?.revision === revision ? before.pins : new Map((await pins.of(upstream)).map((pin) => [pin.tool, pin]));
    const copy = { pins: found, revision, readAt };
    // A slower read that began earlier must not undo a newer one.
    if ((copies.get(upstream)?.readAt ?? Number.NEGATIVE_INFINITY) <= readAt) copies.set(upstream, copy);
    return copy;
  };
  /** Whoever comes while the store is asked waits for that answer. */
  const shared = (upstream: string): Promise<Copy> => {
    const running = reading.get(upstream);
    if (running) return running;
    const started = readNow(upstream).finally(() => reading.delete(upstream));
    reading.set(upstream, started);
    return started;
  };
  return {
    fresh(upstream) {
      const copy = copies.get(upstream);
      const age = copy ? clock.monotonic() - copy.readAt : Number.POSITIVE_INFINITY;
      if (!copy || age >= staleMs) return shared(upstream);
      // Where it fails, whoever comes when the copy is too old hears of it.
      if (age >= freshMs) shared(upstream).catch(() => undefined);
      return copy;
    },
    known: (upstream) => copies.get(upstream),
    // One that runs may have asked before the change.
    read: (upstream) => readNow(upstream),
  };
}
