import type { Denial } from '../domain/denial.ts';

/** What one HTTP request takes of this process while it runs. */
export interface RequestPlace {
  /** Why it gets none: the process is at its limit. Nothing of the request is read then. */
  readonly refusal: Denial | undefined;
  /** Counts bytes of its body among those that are kept, until it leaves. False where there is no room for them. */
  keep(bytes: number): boolean;
  /** Its answer is written, or it is a stream from now on, which has bounds of its own: another may have its place. */
  giveWay(): void;
  /** It has ended. Doing so again does nothing. */
  leave(): void;
}

/** How much this process has to do, and whether it takes more: what is refused early costs nothing, what is admitted stays fast. */
export interface Load {
  enter(): RequestPlace;
  /** Requests under way, without streams. */
  readonly requests: number;
  /** Bytes of request bodies that are kept. */
  readonly bodyBytes: number;
  /** The longest that the event loop was late within the last minute, in milliseconds. */
  lagMs(): number;
  /** Why this process should get no traffic for now, in words for an operator: its event loop was blocked a moment ago. */
  trouble(): string | undefined;
}
