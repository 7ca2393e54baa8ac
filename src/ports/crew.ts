import type { Acknowledgement } from './keyring.ts';
import type { Throttle } from './throttle.ts';

/** The other processes that serve with this one, as workers of one gateway on one machine. Whatever they do not answer in time rejects. */
export interface Crew {
  /** Names the life of the gateway that this process works for: its claim of the store is under this name. */
  readonly gateway: string;
  /** Counts of all of them together. */
  readonly throttle: Throttle;
  /** The metrics of all of them together, in the text exposition format. What one that died had counted stays in the sums. */
  metrics(): Promise<string>;
  /**
   * Has the others act on changes of these keys, which are committed, and counts this one among those that have. At most `withinMs` milliseconds;
   * who has not said so by then is pending.
   */
  heard(keyIds: readonly string[], withinMs: number): Promise<Acknowledgement>;
}
