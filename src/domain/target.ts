/** How an upstream is reached: over HTTP at its URL, or as a child process on pipes. */
export type Target =
  | { readonly transport: 'http' | 'sse' }
  | { readonly transport: 'stdio'; readonly command: Command; readonly children: ChildrenLimits };

/** What is started, by no shell. Arguments and environment may hold secrets: never logged, never shown (I5). */
export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  /** Added to the few variables that every child gets. */
  readonly env: Readonly<Record<string, string>>;
  /** Absolute. */
  readonly cwd: string;
}

/** How many children an upstream has, and how long each may take. Units in the names. */
export interface ChildrenLimits {
  /** `session`: a child for each session, or for each key where callers have no sessions. `shared`: one for all. */
  readonly process: 'session' | 'shared';
  readonly idleMs: number;
  readonly startTimeoutMs: number;
  readonly stopGraceMs: number;
  readonly childrenMax: number;
  readonly childrenPerKeyMax: number;
  /** On Linux, the kernel kills the child when the gateway is gone, however that came. */
  readonly killWithGateway: boolean;
}
