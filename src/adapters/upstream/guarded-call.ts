import type { AnswerReceiver, UpstreamExchange, UpstreamFailure } from '../../ports/upstreams.ts';
import type { LetIn, Verdict } from './breaker.ts';
import type { Bulkhead, Place } from './bulkhead.ts';

/** Makes the attempt; the same promises as Upstreams.dispatch. */
export type Dispatch = (receiver: AnswerReceiver) => UpstreamExchange;

export interface GuardedCall {
  readonly letIn: LetIn;
  /** Absent for streams that only listen: they take no call's place. */
  readonly bulkhead: Bulkhead | undefined;
  /** Longest wait for a place, in milliseconds. */
  readonly waitMsMax: number;
  readonly receiver: AnswerReceiver;
  readonly dispatch: Dispatch;
  /** Told once, when the call has ended, however it did. */
  readonly ended: () => void;
}

/** A call with its way out of the queue. */
export interface StartedCall extends UpstreamExchange {
  /** Ends it where it still waits. */
  turnAway(cause: unknown): void;
}

/**
 * Carries one call from its place in the queue to its end, and tells the breaker what became of it.
 * @returns undefined where as many wait already as may @throws what `dispatch` throws, where it is called at once
 */
export function startGuardedCall(terms: GuardedCall): StartedCall | undefined {
  const call = new Guarded(terms);
  return call.start(terms.waitMsMax) ? call : undefined;
}

/** The call, and the receiver with an eye on what the answer tells of the upstream. A class for the reason that http.ts gives. */
class Guarded implements StartedCall, AnswerReceiver {
  private readonly letIn: LetIn;
  private readonly bulkhead: Bulkhead | undefined;
  private readonly receiver: AnswerReceiver;
  private readonly ended: GuardedCall['ended'];
  /** Until it is called. */
  private dispatch: Dispatch | undefined;
  private inner: UpstreamExchange | undefined = undefined;
  private place: Place | undefined = undefined;
  private waiting: NodeJS.Timeout | undefined = undefined;
  private thrown: { readonly what: unknown } | undefined = undefined;
  private verdict: Verdict | undefined = undefined;
  private over = false;

  constructor({ letIn, bulkhead, receiver, dispatch, ended }: GuardedCall) {
    this.letIn = letIn;
    this.bulkhead = bulkhead;
    this.receiver = receiver;
    this.dispatch = dispatch;
    this.ended = ended;
  }

  /** False where it found no place. */
  start(waitMsMax: number): boolean {
    const { bulkhead, letIn } = this;
    if (bulkhead) {
      this.place = bulkhead.enter(() => this.begin(), { beyond: letIn.trial });
      if (!this.place) return false;
    } else this.begin();
    if (this.thrown && !this.over) {
      this.finish('neither');
      throw this.thrown.what;
    }
    // What ended while it began had no place to leave yet.
    if (this.over) this.place?.leave();
    if (this.dispatch) this.waiting = setTimeout(() => this.giveUp({ kind: 'timeout', sent: false, cause: undefined }), waitMsMax);
    return true;
  }

  resume(): void {
    this.inner?.resume();
  }

  abort(): void {
    if (this.inner) this.inner.abort();
    else this.giveUp({ kind: 'aborted', sent: false, cause: undefined });
  }

  turnAway(cause: unknown): void {
    if (this.dispatch) this.giveUp({ kind: 'unavailable', sent: false, cause });
  }

  onHead(...[status, headers]: Parameters<AnswerReceiver['onHead']>): void {
    const { letIn } = this;
    if (status >= 500) this.verdict = 'failed';
    // A stream may last for days: that it has begun is all there is to know, for a trial too, since others wait for its end.
    else if (!this.bulkhead || (letIn.trial && isEvents(headers['content-type']))) {
      this.verdict = 'well';
      letIn.tell('well');
    }
    this.receiver.onHead(status, headers);
  }

  onChunk(chunk: Buffer): boolean {
    return this.receiver.onChunk(chunk);
  }

  onEnd(): void {
    this.finish(this.verdict ?? 'well');
    this.receiver.onEnd();
  }

  onFailure(failure: UpstreamFailure): void {
    this.finish(this.verdict ?? verdictOf(failure));
    this.receiver.onFailure(failure);
  }

  private begin(): void {
    const { dispatch } = this;
    if (!dispatch) return;
    this.dispatch = undefined;
    const hasWaited = this.waiting !== undefined;
    this.stopWaiting();
    try {
      this.inner = dispatch(this);
    } catch (what) {
      this.thrown = { what };
      // Whoever waited has an exchange already, and hears of it there.
      if (hasWaited) this.giveUp({ kind: 'unavailable', sent: false, cause: what });
    }
  }

  private giveUp(failure: UpstreamFailure): void {
    if (this.over) return;
    this.finish('neither');
    this.receiver.onFailure(failure);
  }

  private finish(verdict: Verdict): void {
    this.over = true;
    this.stopWaiting();
    this.letIn.tell(verdict);
    this.ended();
    this.place?.leave();
  }

  private stopWaiting(): void {
    clearTimeout(this.waiting);
    this.waiting = undefined;
  }
}

/** Who breaks off on this side, and who waits in vain for a connection, says nothing about the upstream. */
function verdictOf({ kind, sent }: UpstreamFailure): Verdict {
  if (kind === 'aborted' || kind === 'unavailable') return 'neither';
  return kind === 'timeout' && !sent ? 'neither' : 'failed';
}

function isEvents(contentType: string | string[] | undefined): boolean {
  return /^text\/event-stream\s*(?:;|$)/i.test(String(contentType ?? ''));
}
