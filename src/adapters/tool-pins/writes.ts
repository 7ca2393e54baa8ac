import type { Sighting } from '../../domain/tool-definition.ts';
import { judgeSighting, type ToolPin } from '../../domain/tool-pin.ts';
import { pinFacts } from '../../domain/tool-pin-record.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/observe.ts';
import type { Pins } from '../../ports/pins.ts';
import type { PinnedUpstream } from '../../ports/tool-pins.ts';

/** What was seen here and may not stand in the store yet. It counts here at once. */
interface Unwritten {
  readonly upstream: PinnedUpstream;
  readonly sighting: Sighting;
  readonly pin: ToolPin;
}

/** Pins that are put at a time. */
const writesMax = 16;
/** How often a pin is judged anew where somebody was faster. */
const attemptsMax = 5;

/** Sightings on their way to the store. */
export interface PinWrites {
  get(upstream: string, tool: string): ToolPin | undefined;
  /** How many tools of the upstream are new to the store. */
  added(upstream: string): number;
  add(tool: string, unwritten: Unwritten): void;
  /** Writes all that waits for the upstream. What fails waits on, and is loud; this never rejects. */
  flush(upstream: string): Promise<void>;
  /** Resolves once no flush runs. */
  ended(): Promise<void>;
}

/** @param options.written  reads the upstream's pins anew; what was written waits until that has come back, so that there is no moment without it */
export function createPinWrites(options: {
  pins: Pins;
  clock: Clock;
  log: Log;
  written: (upstream: string) => Promise<unknown>;
}): PinWrites {
  const { pins, clock, log, written } = options;
  const waiting = new Map<string, Map<string, Unwritten>>();
  const running = new Map<string, Promise<void>>();
  const nothing = Promise.resolve();
  const of = (upstream: string): Map<string, Unwritten> => {
    const tools = waiting.get(upstream) ?? new Map<string, Unwritten>();
    waiting.set(upstream, tools);
    return tools;
  };

  /** Judged again by what stands in the store, texts included, so that of replicas that see one change one writes it. */
  const write = async (tool: string, { upstream, sighting }: Unwritten): Promise<void> => {
    for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
      const stored = await pins.get(upstream.name, tool);
      const given = { upstream: upstream.name, tool, terms: upstream.pinning, now: clock.now() };
      const { pin, event } = judgeSighting(stored, sighting, given);
      if (!event) return;
      if (await pins.put({ pin, expected: stored?.revision ?? 0, record: pinFacts(event, pin) })) return;
    }
    throw new Error('A pin keeps changing.');
  };

  const flushAll = async (name: string): Promise<void> => {
    const tools = of(name);
    try {
      // What comes while these are written is written after them.
      for (let some = [...tools]; some.length > 0; some = [...tools]) {
        for (let from = 0; from < some.length; from += writesMax) {
          await Promise.all(some.slice(from, from + writesMax).map(([tool, unwritten]) => write(tool, unwritten)));
        }
        await written(name);
        for (const [tool, unwritten] of some) if (tools.get(tool) === unwritten) tools.delete(tool);
      }
    } catch (error) {
      log.fault('what tools look like now could not be written; it is tried again', error, { upstream: name });
    }
  };

  return {
    get: (upstream, tool) => waiting.get(upstream)?.get(tool)?.pin,
    added: (upstream) => [...(waiting.get(upstream)?.values() ?? [])].filter(({ pin }) => pin.revision === 1).length,
    add: (tool, unwritten) => void of(unwritten.upstream.name).set(tool, unwritten),
    ended: async () => void (await Promise.all(running.values())),
    flush(name) {
      const before = running.get(name);
      if (before) return before;
      if (!waiting.get(name)?.size) return nothing;
      const started = flushAll(name).finally(() => running.delete(name));
      running.set(name, started);
      return started;
    },
  };
}
