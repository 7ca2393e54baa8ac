import type { KnownLists } from '../domain/known-lists.ts';
import type { ReadMemory } from '../domain/read-memory.ts';
import type { Scratch } from '../domain/scratch.ts';
import type { Seal } from '../domain/seal.ts';
import type { Assertions } from '../ports/assertions.ts';
import type { Callers } from '../ports/callers.ts';
import type { Catalogue } from '../ports/catalogue.ts';
import type { Clock } from '../ports/clock.ts';
import type { Ledger } from '../ports/ledger.ts';
import type { Live } from '../ports/live.ts';
import type { Log, Metrics, Tally } from '../ports/observe.ts';
import type { Passthrough } from '../ports/passthrough.ts';
import type { Retries } from '../ports/retries.ts';
import type { Throttle } from '../ports/throttle.ts';
import type { ToolPins } from '../ports/tool-pins.ts';
import type { Upstreams } from '../ports/upstreams.ts';

/** Whether a key's second factor was passed a short while ago. */
export interface StepUpState {
  /** Until when the passed step-up of this key lasts, ms since the epoch; 0 where there is none that lasts. */
  freshUntil(keyId: string, now: number): Promise<number>;
}

/** Everything outside that the stages use. Each stage names the few it needs with Pick. */
export interface Ports {
  readonly clock: Clock;
  readonly callers: Callers;
  readonly ledger: Ledger;
  readonly throttle: Throttle;
  readonly upstreams: Upstreams;
  readonly passthrough: Passthrough;
  readonly catalogue: Catalogue;
  readonly toolPins: ToolPins;
  readonly assertions: Assertions;
  readonly seal: Seal;
  readonly live: Live;
  readonly stepUp: StepUpState;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly retries: Retries;
  readonly tally: Tally;
  /** Keyed hash of arguments for the journal, or undefined where nothing of them is to be kept. */
  readonly hashArguments: (text: Buffer) => string | undefined;
  readonly newId: () => string;
  /** Where long answers are read, one after another. */
  readonly scratch: Pick<Scratch, 'join' | 'keep'>;
  /** What upstreams list, read once. */
  readonly lists: Pick<KnownLists, 'read'>;
  /** Takes back the memory of answers that have been passed on. */
  readonly memory: Pick<ReadMemory, 'giveBack'>;
}
