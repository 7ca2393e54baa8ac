/** What a tool says about itself (MCP `ToolAnnotations`). Hints only: used where no rules are written. */
export interface Annotations {
  readonly readOnlyHint?: boolean;
  readonly destructiveHint?: boolean;
}

/** The tools an upstream lists, asked for by the gateway itself with the upstream's own credential. */
export interface Catalogue {
  /** Undefined where the upstream lists no such tool. @throws Denial UPSTREAM_FAILED where it cannot be asked */
  annotationsOf(upstream: string, tool: string): Promise<Annotations | undefined>;
}
