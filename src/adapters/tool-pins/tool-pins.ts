import { readSighting, type Sighting } from '../../domain/tool-definition.ts';
import { type HeldTool, heldBack, judgeSighting, type PinTerms, type ToolPin } from '../../domain/tool-pin.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Duties } from '../../ports/duties.ts';
import type { Log } from '../../ports/observe.ts';
import type { Pins } from '../../ports/pins.ts';
import type { ListedTool, PinnedUpstream, ToolPins } from '../../ports/tool-pins.ts';
import { type Copy, createPinCopies } from './copies.ts';
import { createLooks } from './looks.ts';
import { createSightings } from './sightings.ts';
import { createPinWrites } from './writes.ts';

/** Tools of one upstream that are pinned; what an upstream lists beyond is hidden and refused. */
const toolsMax = 2_000;
const nameCharsMax = 512;
/** How long a call waits for the upstream's list where nobody has seen the tool, in milliseconds. */
const lookWaitMsMax = 2_000;

interface Judged {
  readonly listed: readonly ListedTool[];
  readonly upstream: PinnedUpstream;
  readonly copy: Copy;
  readonly shown: ReadonlySet<string>;
}

/** What compose and the edges do with pins besides what the stages do. */
export interface WatchedPins extends ToolPins {
  /** Judges a whole list that the gateway itself asked for; resolves once what is new is written. */
  looked(upstream: PinnedUpstream, listed: readonly ListedTool[]): Promise<void>;
  /** Acts here at once on what was put by an act of this process. */
  refresh(upstream: string): Promise<void>;
  /** How many tools are held back. @throws Error where the store does not say */
  heldCount(upstream: PinnedUpstream): Promise<number>;
  /** Resolves once nothing is being written any more. */
  close(): Promise<void>;
}

/** @param options.look  asks an upstream for its tools and gives them to looked(); absent in dry runs, which ask nobody */
export function createToolPins(options: {
  pins: Pins;
  duties: Duties;
  clock: Clock;
  log: Log;
  look?: (upstream: string) => Promise<void>;
}): WatchedPins {
  const { pins, duties, clock, log, look } = options;
  const copies = createPinCopies({ pins, clock });
  const writes = createPinWrites({ pins, clock, log, written: (upstream) => copies.read(upstream) });
  const looks = look && createLooks({ look, duties, clock, log });
  const read = createSightings({ toolsMax });
  const pinOf = (upstream: string, copy: Copy, tool: string): ToolPin | undefined => writes.get(upstream, tool) ?? copy.pins.get(tool);

  const overfull = new Set<string>();
  /** Of each upstream the last list of which nothing was new: listed again, and judged by the same copy, it is what it was. */
  const judged = new Map<string, Judged>();
  const judgeList = (upstream: PinnedUpstream, copy: Copy, listed: readonly ListedTool[]): ReadonlySet<string> => {
    const { name, pinning: terms } = upstream;
    const before = judged.get(name);
    if (before?.listed === listed && before.upstream === upstream && before.copy === copy) return before.shown;
    judged.delete(name);
    let isNew = false;
    const shown = new Set<string>();
    let room = toolsMax - copy.pins.size - writes.added(name);
    for (const [tool, { bytes, isDouble }] of byName(listed)) {
      if (!isWatched(upstream, tool)) continue;
      const before = pinOf(name, copy, tool);
      if (!before && --room < 0) continue;
      const fault = isDouble && ({ fault: 'duplicate' } as const);
      const sighting: Sighting = { ...read(name, { name: tool, bytes }), ...fault };
      const { pin, event } = judgeSighting(before, sighting, { upstream: name, tool, terms, now: clock.now() });
      // Texts are read along only where they are to be kept.
      isNew ||= event !== undefined;
      if (event) writes.add(tool, { upstream, pin, sighting: { ...readSighting(bytes), ...fault } });
      if (!heldBack(pin, terms)) shown.add(tool);
    }
    if (room < 0 && !overfull.has(name)) log.warn('an upstream lists more tools than can be pinned', { upstream: name, toolsMax });
    if (room < 0) overfull.add(name);
    void writes.flush(name);
    if (!isNew) judged.set(name, { listed, upstream, copy, shown });
    return shown;
  };

  const heldLater = async (
    { name, pinning: terms }: PinnedUpstream,
    tool: string,
    { copy, looking }: { copy: Copy | Promise<Copy>; looking: Promise<void> | undefined },
  ) => {
    const first = await copy;
    const pin = pinOf(name, first, tool);
    if (pin || !looking) return judgeCall(pin, first, terms);
    await within(looking, lookWaitMsMax);
    const second = await copies.fresh(name);
    return judgeCall(pinOf(name, second, tool), second, terms);
  };

  return {
    async ready(upstream) {
      if (upstream.pinning.mode !== 'off') await copies.fresh(upstream.name);
    },
    heldBack(upstream, tool) {
      const { name, pinning: terms } = upstream;
      if (terms.mode === 'off') return undefined;
      if (!isNameable(tool)) return { state: 'quarantined', cause: 'too-large' };
      const copy = copies.fresh(name);
      void writes.flush(name);
      const looking = looks?.due(name, { atOnce: terms.mode === 'approve' });
      if (!(copy instanceof Promise)) {
        const pin = pinOf(name, copy, tool);
        if (pin || !looking) return judgeCall(pin, copy, terms);
      }
      return heldLater(upstream, tool, { copy, looking });
    },
    sight(upstream, listed) {
      const copy = copies.known(upstream.name);
      if (!copy) throw new Error(`nothing is known of the pins of ${upstream.name}`);
      return judgeList(upstream, copy, listed);
    },
    async looked(upstream, listed) {
      if (upstream.pinning.mode === 'off') return;
      judgeList(upstream, await copies.fresh(upstream.name), listed);
      await writes.flush(upstream.name);
    },
    close: () => writes.ended(),
    refresh: async (upstream) => void (await copies.read(upstream)),
    async heldCount({ name, pinning }) {
      if (pinning.mode === 'off') return 0;
      const { pins: known } = await copies.fresh(name);
      return [...known.values()].filter((pin) => heldBack(pin, pinning)).length;
    },
  };
}

/** Where there is no room for more pins, nothing that has none passes. */
function judgeCall(pin: ToolPin | undefined, { pins }: Copy, terms: PinTerms): HeldTool | undefined {
  if (!pin && pins.size >= toolsMax) return { state: 'quarantined', cause: 'too-many' };
  return heldBack(pin, terms);
}

/** What no rule admits is refused anyway, and need not be known. */
function isWatched({ annotated, ruleFor }: PinnedUpstream, tool: string): boolean {
  return isNameable(tool) && (annotated || ruleFor('tools', tool) !== undefined);
}

/** A name with half a surrogate pair is another name after it was written and read again, and no client can send it. */
function isNameable(tool: string): boolean {
  return tool.length <= nameCharsMax && tool.isWellFormed();
}

/** The first element of each name, and whether there are more of it: nobody could tell which one a call means (A27). */
function byName(listed: readonly ListedTool[]): Map<string, { bytes: Buffer; isDouble: boolean }> {
  const tools = new Map<string, { bytes: Buffer; isDouble: boolean }>();
  for (const { name, bytes } of listed) tools.set(name, { bytes: tools.get(name)?.bytes ?? bytes, isDouble: tools.has(name) });
  return tools;
}

async function within(looking: Promise<void>, ms: number): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await Promise.race([looking, late]);
  clearTimeout(timer);
}
