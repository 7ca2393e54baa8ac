import type { Message } from '../domain/message.ts';
import type { Era } from '../domain/method.ts';

/** One attempt at an upstream. Never retried, never redirected, never decoded (mcp-facts; measured-facts). */
export interface UpstreamRequest {
  readonly upstream: string;
  /** Where the upstream was when the request was made: its credentials are not for what may stand there by now. */
  readonly url?: string | undefined;
  readonly method: 'POST' | 'GET' | 'DELETE';
  /** Flat list: name, value, name, value. Complete but for Host and Content-Length. */
  readonly headers: readonly string[];
  readonly body?: Buffer | undefined;
  /** The scanned message that `body` is; absent for GET and DELETE. */
  readonly message?: Message | undefined;
  /** The caller's protocol era. */
  readonly era: Era;
  /** The upstream's own session id, also in the headers. */
  readonly session?: string | undefined;
  /** Whose request it is: what an upstream keeps for one caller is kept apart by it. */
  readonly keyId: string;
  /** Milliseconds until the answer's head must stand. */
  readonly headTimeoutMs: number;
  /** Milliseconds of silence allowed in the body; 0 = any (streams). */
  readonly silenceTimeoutMs: number;
  /** Long streams use their own connections, so that they cannot starve calls. */
  readonly long: boolean;
}

/**
 * Why an attempt failed. `sent` is false only where it is certain that no byte reached the upstream. `unavailable` = it was not made at
 * all; the cause is then the Denial that says why.
 */
export interface UpstreamFailure {
  readonly kind: 'connect' | 'timeout' | 'reset' | 'aborted' | 'too-large' | 'unavailable';
  readonly sent: boolean;
  readonly cause: unknown;
}

/** Header values as they came: repeated ones as an array. Names are lower case. */
export type AnswerHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** Called in order: onHead once, onChunk any number of times, then exactly one of onEnd and onFailure (which may also come first). */
export interface AnswerReceiver {
  onHead(status: number, headers: AnswerHeaders): void;
  /** Return false to pause; call `resume` on the exchange when ready. */
  onChunk(chunk: Buffer): boolean;
  onEnd(): void;
  onFailure(failure: UpstreamFailure): void;
}

export interface UpstreamExchange {
  resume(): void;
  /** Closes the connection to the upstream; the receiver gets onFailure with kind `aborted` unless it has ended. */
  abort(): void;
}

export interface Upstreams {
  /**
   * @throws Denial, before anything is sent: UPSTREAM_FAILED where the upstream has left or moved, UPSTREAM_UNAVAILABLE where it is not
   * being called for now, OVERLOADED where too much waits for it already
   */
  dispatch(request: UpstreamRequest, receiver: AnswerReceiver): UpstreamExchange;
}
