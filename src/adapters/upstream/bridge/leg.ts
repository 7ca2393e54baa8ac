import { Denial } from '../../../domain/denial.ts';
import type { AnswerHeaders, AnswerReceiver, UpstreamExchange, UpstreamFailure } from '../../../ports/upstreams.ts';

/**
 * One bridged exchange as the stages see it. It may begin with questions of the bridge's own, so what it will be is known later, and the
 * client may leave before: then nothing of its request is sent.
 */
export interface Leg extends AnswerReceiver {
  /** True where nothing more may be done for the client: it has left, or has its answer. */
  readonly over: boolean;
  /** The client's request is on its way in this exchange from now on. */
  follow(exchange: UpstreamExchange): void;
  /** Breaks the upstream's part off: what came of it is no answer. */
  stop(): void;
  /** Called when the exchange is broken off from here, while the upstream has it. */
  onAbort(act: () => void): void;
  /** Answers at once with a JSON body. */
  answer(status: number, headers: AnswerHeaders, body?: Buffer): void;
  /** Ends it as something that went wrong here or there. Nothing is done where it has ended. */
  fail(failure: UpstreamFailure): void;
  /** Ends it as a refusal; nothing of the client's request was sent. */
  refuse(denial: Denial): void;
}

/** @param begin what the exchange is made of. What it throws ends the exchange: a Denial as a refusal, anything else as a fault. */
export function startLeg(
  receiver: AnswerReceiver,
  options: { begin: (leg: Leg) => Promise<void> | void; fault: (thrown: unknown) => void },
): UpstreamExchange {
  let inner: UpstreamExchange | undefined;
  let ended = false;
  let aborted = false;
  const aborts: (() => void)[] = [];
  const once = (act: () => void): void => {
    if (ended) return;
    ended = true;
    act();
  };
  const leg: Leg = {
    get over() {
      return ended || aborted;
    },
    follow(exchange) {
      inner = exchange;
    },
    stop: () => inner?.abort(),
    onAbort: (act) => void aborts.push(act),
    onHead(status, headers) {
      if (!ended) receiver.onHead(status, headers);
    },
    onChunk: (chunk) => ended || receiver.onChunk(chunk),
    onEnd: () => once(() => receiver.onEnd()),
    onFailure: (failure) => once(() => receiver.onFailure(failure)),
    answer(status, headers, body) {
      once(() => {
        receiver.onHead(status, { ...(body ? { 'content-type': 'application/json' } : {}), ...headers });
        if (body) receiver.onChunk(body);
        receiver.onEnd();
      });
    },
    fail(failure) {
      if (failure.cause instanceof Denial && failure.cause.cause !== undefined) options.fault(failure.cause.cause);
      once(() => receiver.onFailure(failure));
    },
    refuse: (cause) => once(() => receiver.onFailure({ kind: 'connect', sent: inner !== undefined, cause })),
  };
  const failed = (thrown: unknown): void => {
    if (!(thrown instanceof Denial)) options.fault(thrown);
    leg.refuse(thrown instanceof Denial ? thrown : new Denial('INTERNAL', { cause: thrown }));
  };
  // The stages have no exchange in their hands before dispatch returns, so nothing is answered before.
  queueMicrotask(() => {
    if (ended) return;
    try {
      Promise.resolve(options.begin(leg)).catch(failed);
    } catch (thrown) {
      failed(thrown);
    }
  });
  return {
    resume: () => inner?.resume(),
    abort() {
      if (ended || aborted) return;
      aborted = true;
      for (const act of aborts) act();
      if (inner) inner.abort();
      else leg.fail({ kind: 'aborted', sent: false, cause: undefined });
    },
  };
}

/** The same receiver, with something to do once the exchange is over. */
export function afterwards(receiver: AnswerReceiver, act: () => void): AnswerReceiver {
  return {
    onHead: (status, headers) => receiver.onHead(status, headers),
    onChunk: (chunk) => receiver.onChunk(chunk),
    onEnd() {
      receiver.onEnd();
      act();
    },
    onFailure(failure) {
      receiver.onFailure(failure);
      act();
    },
  };
}
