import type { Socket } from 'node:net';
import type { AnswerReceiver, UpstreamExchange } from './upstreams.ts';

/** A client's connection that asks to become a websocket. */
export interface Upgrading {
  readonly socket: Socket;
  /** What came after the request's head. */
  readonly head: Buffer;
  /** Called once, when the connection is the websocket's from now on: no HTTP answer is written to it any more. */
  taken(): void;
}

/** One request that is passed through. Headers are complete but for Host and what belongs to the connection; names in lower case. */
export interface PassRequest {
  readonly upstream: string;
  /** Where the upstream was when the request was made, as `UpstreamRequest.url`. Only its origin counts. */
  readonly url: string;
  readonly method: string;
  /** Path and query as they are sent. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** Milliseconds until the answer's head must stand. */
  readonly headTimeoutMs: number;
  /** Milliseconds of silence allowed in the body; 0 = any. */
  readonly silenceTimeoutMs: number;
  /** Where the client asks for a websocket. */
  readonly upgrading?: Upgrading;
}

/** The way to what an upstream offers beside its MCP endpoint. */
export interface Passthrough {
  /**
   * One attempt: never retried or redirected. A websocket that opens is told as a head of status 101, and its end, whoever closed it, as the
   * end; until then the client's connection is left alone. What is aborted ends after `abort` has returned. @throws Denial as `Upstreams.dispatch` does
   */
  dispatch(request: PassRequest, receiver: AnswerReceiver): UpstreamExchange;
}
