import type { LedgerRoot } from '../domain/key.ts';
import type { Caller } from './callers.ts';

/** A call or stream that is running in this process. */
export interface LiveEntry {
  readonly keyId: string;
  /** Where it came from; absent where that is not known. */
  readonly address?: string | undefined;
  /** Absent for what takes no reservation: notifications, ping, answers to server requests. */
  readonly hold?: { readonly root: LedgerRoot; readonly reservationId: string; readonly until: number } | undefined;
  /** When the access token that opened this ends, ms since the epoch; absent where the key itself did. */
  readonly expiresAt?: number | undefined;
  /** Digest of the secret that opened this; it is cut when a rotation ends that secret. */
  readonly digest?: string | undefined;
  /** GET streams count against the stream limits. */
  readonly kind: 'call' | 'stream';
  /** True while the answer is an event stream: those and GET streams are cut when their key dies (I3); a plain call is left to finish. */
  readonly streaming: () => boolean;
  /** The key changed and lives on: what passes from now on is judged by this caller. Called for streams only. */
  readonly rejudge?: ((caller: Caller) => void) | undefined;
  readonly cut: (why: 'TOKEN_REVOKED' | 'TOKEN_EXPIRED' | 'STORE_UNAVAILABLE' | 'DRAINING') => void;
}

/** What runs here: renews the holds of running calls, and cuts the streams of keys that died. */
export interface Live {
  /** Returns the way out; calling it again does nothing. @throws Denial OVERLOADED where stream limits are reached */
  enter(entry: LiveEntry): () => void;
  readonly size: number;
}
