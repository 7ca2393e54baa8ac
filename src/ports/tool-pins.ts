import type { UpstreamPolicy } from '../domain/policy.ts';
import type { HeldTool } from '../domain/tool-pin.ts';

/** What pins need to know of an upstream. */
export type PinnedUpstream = Pick<UpstreamPolicy, 'name' | 'annotated' | 'ruleFor' | 'pinning'>;

type Held = HeldTool | undefined;

/** One element of a tools list: its name, and the JSON text of all of it. */
export interface ListedTool {
  readonly name: string;
  readonly bytes: Buffer;
}

/**
 * Whether tools are what they were when they were pinned. Decided by a copy of the store's pins that is never older than two seconds, so a
 * change that one replica sees, or an approval, holds on every replica by then.
 */
export interface ToolPins {
  /** Waits until the upstream's pins are known here, so that an answer can be judged when it comes. @throws Error where the store does not say (I6) */
  ready(upstream: PinnedUpstream): Promise<void>;
  /**
   * Why a call of the tool is refused; undefined where it may pass. Has the upstream asked for its tools now and then; for a tool that nobody has
   * seen it waits for that, two seconds at most. No promise where what is known is fresh, which is nearly always. @throws Error where the store
   * does not say
   */
  heldBack(upstream: PinnedUpstream, tool: string): Held | Promise<Held>;
  /**
   * Judges what an answer lists and gives the names that may be shown, at once; what is new about them is written in the background.
   * @throws Error where the upstream's pins were never known here
   */
  sight(upstream: PinnedUpstream, listed: readonly ListedTool[]): ReadonlySet<string>;
}
