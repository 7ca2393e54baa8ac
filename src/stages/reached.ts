import type { IncomingHttpHeaders } from 'node:http';
import type { Ending } from '../domain/charge.ts';
import type { CostReading } from '../domain/cost.ts';
import type { Denial } from '../domain/denial.ts';
import type { LedgerRoot } from '../domain/key.ts';
import type { Message, MessageId, RequestMessage, Scanned } from '../domain/message.ts';
import type { Era, MethodGate } from '../domain/method.ts';
import type { Micros } from '../domain/money.ts';
import type { Place, Policy, Rule, UpstreamPolicy } from '../domain/policy.ts';
import type { RecordFacts, RecordKind } from '../domain/record.ts';
import type { RunningTotal } from '../domain/risk.ts';
import type { Caller } from '../ports/callers.ts';
import type { RequestPlace } from '../ports/load.ts';
import type { Reply } from '../ports/reply.ts';

/**
 * How far a request has come. Each stage takes what the stage before it returns, so a call that was never
 * admitted cannot be forwarded: it does not type-check.
 */

/** One HTTP request as the edge hands it over, before anything about it was judged. */
export interface Arrived {
  readonly requestId: string;
  /** Milliseconds since the epoch, and on the monotonic clock. */
  readonly at: number;
  readonly began: number;
  readonly verb: string;
  readonly httpVersion: string;
  /** Path without the query; the query decides nothing. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** Names and values as they came, so that repeated ones are seen. */
  readonly rawHeaders: readonly string[];
  /** The client's address, after trusted proxies were believed. */
  readonly address: string;
  /** @throws Denial MESSAGE_TOO_LARGE, before more than `bytesMax` bytes are kept */
  readonly readBody: (bytesMax: number) => Promise<Buffer>;
  readonly reply: Reply;
  /** True once this process was told to stop: nothing new is begun. */
  readonly draining: boolean;
  /** The configuration in force when the request came; a reload never changes it midway. */
  readonly policy: Policy;
  /**
   * The upstream that this is for, at a path that leads to several. Set only by the edge that divides what came there, which has counted the
   * request against the rates of its key.
   */
  readonly member?: string;
  /** What it takes of the process. Absent where nobody counts, as in tests of single stages. */
  readonly place?: RequestPlace;
}

export type Verb = 'POST' | 'GET' | 'DELETE';

/** Well-formed HTTP. A POST's body was read and scanned; whether it is a message is judged after the caller is known. */
export interface Received extends Arrived {
  readonly verb: Verb;
  readonly scanned: Scanned | undefined;
}

export interface Authenticated extends Received {
  readonly caller: Caller;
}

/** At a place where this key may stand, from where it is. `upstream` is the one that answers there. */
export interface Located extends Authenticated {
  readonly endpoint: Place;
  readonly upstream: UpstreamPolicy;
}

/** What the caller wants, in its era's terms. */
export type Intent =
  | RequestIntent
  | { readonly kind: 'notification'; readonly message: Extract<Message, { kind: 'notification' }> }
  /** The client's answer to a server request, already carrying the server's own id. */
  | { readonly kind: 'answer'; readonly body: Buffer; readonly onceId: string; readonly onceUntil: number }
  /** A GET stream, or one taken up again after a given event. */
  | { readonly kind: 'stream'; readonly resumed: ResumedEvent | undefined }
  | { readonly kind: 'end' };

export interface RequestIntent {
  readonly kind: 'request';
  /** The message as the upstream is to get it: at an agent's or a bot's path its names have lost their prefix, and sealed handles are opened. */
  readonly message: RequestMessage;
  readonly gate: MethodGate | undefined;
  /** Tasks that the request names and this key has proven to be its own: the upstream's id, and the client's. */
  readonly tasks?: ReadonlyMap<string, string> | undefined;
  /** Present where an earlier round of the same call was answered with `input_required`. */
  readonly retry?: Retry | undefined;
}

/** A call that is sent again with the input that it was answered to need. */
export interface Retry {
  /** 1 for the first. */
  readonly round: number;
  /** True where it is the call that was paid for; false where its arguments are others. */
  readonly paid: boolean;
  readonly onceId: string;
  readonly onceUntil: number;
}

/** What a sealed event id says: the upstream's own id, and the request whose answer the stream carries, if any. */
export interface ResumedEvent {
  readonly eventId: string;
  readonly answers?: ExpectedAnswer;
}

/** What a stream's answer answers. */
export interface ExpectedAnswer {
  readonly id: MessageId;
  readonly method: string;
  /** True where the request asked for a task. */
  readonly asksTask?: boolean;
  /** As RequestIntent.tasks. */
  readonly tasks?: readonly (readonly [string, string])[];
}

export interface Understood extends Located {
  readonly era: Era;
  readonly intent: Intent;
  /** The upstream's own session id. */
  readonly session: string | undefined;
}

export interface Authorized extends Understood {
  readonly rule: Rule | undefined;
  /** What the rule decided about: the tool, the normalised URI, the prompt. */
  readonly subject: { readonly tool?: string; readonly resource?: string; readonly prompt?: string };
  readonly price: Micros;
  /** Counts against budgets, caps and max-uses. */
  readonly counts: boolean;
  /** What the call takes of the rule's running totals of arguments. */
  readonly totals: readonly RunningTotal[];
}

declare const admittedMark: unique symbol;

/** The intent is durable (or, for what needs none, the key was proven live). Only the admit stage makes one. */
export interface Admission {
  readonly [admittedMark]: true;
  readonly reservation: Reservation | undefined;
}

export interface Admitted extends Authorized, Admission {}

/** What a record of a call says, whatever came of it. */
export interface CallFacts<Kind extends RecordKind = RecordKind> extends RecordFacts {
  readonly kind: Kind;
}

export interface Reservation {
  /** What the intent said of the call; the outcome says the same, whatever was reloaded meanwhile. */
  readonly facts: CallFacts<'call.intent'>;
  readonly id: string;
  readonly root: LedgerRoot;
  readonly holdUntil: number;
}

/** How the attempt ended. The client has its answer, or is gone. */
export interface AttemptEnd {
  /** HTTP status of the upstream, or what became of the attempt. */
  readonly status: number | string;
  /** `not-sent` only where it is certain that the upstream got no byte: the hold is then released. */
  readonly ending: Ending;
  /** What the result said that it cost, where the rule takes that. */
  readonly cost?: CostReading | undefined;
  /** True where no final answer came, and the client has what it needs to fetch one: an event id, a state, a task. */
  readonly resumable?: boolean | undefined;
  readonly upstreamMs: number;
  /** The refusal the client got instead of an answer. */
  readonly refusal?: Denial | undefined;
}

export interface Forwarded extends Admitted, AttemptEnd {}

export type Reached = Arrived | Received | Authenticated | Located | Understood | Authorized | Admitted | Forwarded;
