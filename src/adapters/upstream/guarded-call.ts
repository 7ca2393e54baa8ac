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
export function startGuardedCall({ letIn, bulkhead, waitMsMax, receiver, dispatch, ended }: GuardedCall): StartedCall | undefined {
  let inner: UpstreamExchange | undefined;
  let begun = false;
  let over = false;
  let thrown: { readonly what: unknown } | undefined;
  let waiting: NodeJS.Timeout | undefined;
  let place: Place | undefined;

  const finish = (verdict: Verdict): void => {
    over = true;
    clearTimeout(waiting);
    letIn.tell(verdict);
    ended();
    place?.leave();
  };
  const giveUp = (failure: UpstreamFailure): void => {
    if (over) return;
    finish('neither');
    receiver.onFailure(failure);
  };
  const watched = watch({ letIn, long: bulkhead === undefined, receiver, finish });
  const begin = (): void => {
    begun = true;
    clearTimeout(waiting);
    try {
      inner = dispatch(watched);
    } catch (what) {
      thrown = { what };
      // Whoever waited has an exchange already, and hears of it there.
      if (waiting !== undefined) giveUp({ kind: 'unavailable', sent: false, cause: what });
    }
  };

  if (bulkhead) {
    place = bulkhead.enter(begin, { beyond: letIn.trial });
    if (!place) return undefined;
  } else begin();
  if (thrown && !over) {
    finish('neither');
    throw thrown.what;
  }
  // What ended while it began had no place to leave yet.
  if (over) place?.leave();
  if (!begun) waiting = setTimeout(() => giveUp({ kind: 'timeout', sent: false, cause: undefined }), waitMsMax);
  return {
    resume: () => inner?.resume(),
    abort() {
      if (inner) inner.abort();
      else giveUp({ kind: 'aborted', sent: false, cause: undefined });
    },
    turnAway(cause) {
      if (!begun) giveUp({ kind: 'unavailable', sent: false, cause });
    },
  };
}

/** The receiver, with an eye on what the answer tells of the upstream. */
function watch(options: { letIn: LetIn; long: boolean; receiver: AnswerReceiver; finish: (verdict: Verdict) => void }): AnswerReceiver {
  const { letIn, long, receiver, finish } = options;
  let verdict: Verdict | undefined;
  return {
    onHead(status, headers) {
      if (status >= 500) verdict = 'failed';
      // A stream may last for days: that it has begun is all there is to know, for a trial too, since others wait for its end.
      else if (long || (letIn.trial && isEvents(headers['content-type']))) {
        verdict = 'well';
        letIn.tell('well');
      }
      receiver.onHead(status, headers);
    },
    onChunk: (chunk) => receiver.onChunk(chunk),
    onEnd() {
      finish(verdict ?? 'well');
      receiver.onEnd();
    },
    onFailure(failure) {
      finish(verdict ?? verdictOf(failure));
      receiver.onFailure(failure);
    },
  };
}

/** Who breaks off on this side, and who waits in vain for a connection, says nothing about the upstream. */
function verdictOf({ kind, sent }: UpstreamFailure): Verdict {
  if (kind === 'aborted' || kind === 'unavailable') return 'neither';
  return kind === 'timeout' && !sent ? 'neither' : 'failed';
}

function isEvents(contentType: string | string[] | undefined): boolean {
  return /^text\/event-stream\s*(?:;|$)/i.test(String(contentType ?? ''));
}
