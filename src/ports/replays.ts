/** What became of an `Idempotency-Key`. */
export type Replay =
  /** First seen now; call `finish` or `forget`. */
  | { readonly kind: 'new' }
  | { readonly kind: 'running' }
  /** The same key with another body. */
  | { readonly kind: 'mismatch' }
  /** Answered before. The body never holds a secret. */
  | { readonly kind: 'answered'; readonly status: number; readonly body: string };

/** Remembers answers of the management API by idempotency key, in the store, so that a resend meets any replica. Kept 24 hours. */
export interface Replays {
  /** @param id caller, route and key, hashed by the caller of this port  @param bodyHash SHA-256 of the body, hex */
  begin(options: { id: string; bodyHash: string; now: number }): Promise<Replay>;
  finish(options: { id: string; status: number; body: string; now: number }): Promise<void>;
  /** The attempt failed before it had an effect: the key may be used again. */
  forget(id: string): Promise<void>;
}
