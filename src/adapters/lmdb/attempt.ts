/** One attempt under an idempotency key. Milliseconds since the epoch. */
export interface Attempt {
  readonly bodyHash: string;
  /** From then on it counts as forgotten, swept or not. */
  readonly forgetAt: number;
  /** Absent while the attempt runs, or when its process ended in the middle of it: then nobody knows what it did. */
  readonly answer?: { readonly status: number; readonly body: string };
}
