/** The answer to the client. Written by the stages, backed by the raw outgoing response (no Response objects on the hot path). */
export interface Reply {
  /** True once the client has gone or the answer was ended. */
  readonly closed: boolean;
  readonly headSent: boolean;
  /** Headers that the next head carries besides its own: for what is known before it is known who answers. */
  carry(headers: Readonly<Record<string, string>>): void;
  /** Sends status and headers; with `flush` at once, so that a silent stream opens. */
  head(status: number, headers: Readonly<Record<string, string | readonly string[]>>, flush?: boolean): void;
  /** Returns false when the client reads too slowly; `onDrain` tells when to go on. */
  write(chunk: Buffer | string): boolean;
  /**
   * In pieces, a body is written as they are, one behind another.
   * @param written called once nobody looks at the body any more; never where that is not known
   */
  end(body?: Buffer | string | readonly Buffer[], written?: () => void): void;
  /** Breaks the connection: for an answer that must not look complete. */
  cut(): void;
  /** Calls back once when the client goes away before `end`. */
  onGone(listener: () => void): void;
  onDrain(listener: () => void): void;
}
