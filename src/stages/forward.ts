import { Denial } from '../domain/denial.ts';
import type { LiveEntry } from '../ports/live.ts';
import type { AnswerReceiver, UpstreamExchange, UpstreamFailure, UpstreamRequest } from '../ports/upstreams.ts';
import { waits } from './is-stream.ts';
import { outbound } from './outbound.ts';
import type { Admitted, Forwarded } from './reached.ts';
import { answerDenial, asDenial } from './refuse.ts';
import { rejudge } from './rejudge.ts';
import type { Answer, CutReason, ForwardPorts, Relay, RelayControl, RelayEnd } from './relay.ts';
import { cutDenial, failedEnding, upstreamDenial } from './relay.ts';
import { relayAcknowledgement } from './relay-acknowledgement.ts';
import { relayEvents } from './relay-events.ts';
import { relayMessage } from './relay-message.ts';

/**
 * Makes the one attempt and answers the client, whatever comes of it. Never throws: the hold taken before must be settled.
 */
export async function forward(ports: ForwardPorts, admitted: Admitted): Promise<Forwarded> {
  const began = ports.clock.monotonic();
  const end = await attemptOrRefuse(ports, admitted);
  if (end.refusal) answerDenial(admitted, end.refusal);
  const { status, ending, cost, resumable, refusal } = end;
  return { ...admitted, status, ending, cost, resumable, refusal, upstreamMs: Math.round(ports.clock.monotonic() - began) };
}

/** Never throws, and the promise never rejects. */
function attemptOrRefuse(ports: ForwardPorts, admitted: Admitted): RelayEnd | Promise<RelayEnd> {
  const refused = (thrown: unknown): RelayEnd => ({ status: 'not-sent', ending: 'not-sent', refusal: asDenial(ports, admitted, thrown) });
  const send = (request: UpstreamRequest): RelayEnd | Promise<RelayEnd> =>
    // The last moment: from here on the reply itself tells when the client goes.
    admitted.reply.closed ? { status: 'client-gone', ending: 'not-sent' } : attempt(ports, admitted, request);
  try {
    const request = outbound(ports, admitted);
    return request instanceof Promise ? request.then(send).catch(refused) : send(request);
  } catch (thrown) {
    return refused(thrown);
  }
}

function attempt(ports: ForwardPorts, admitted: Admitted, request: UpstreamRequest): Promise<RelayEnd> {
  const { promise, resolve } = Promise.withResolvers<RelayEnd>();
  const { reply } = admitted;
  let current = admitted;
  let relay: Relay | undefined;
  let cut: CutReason | undefined;
  let exchange: UpstreamExchange | undefined;
  const control: RelayControl = { abort: () => exchange?.abort(), resume: () => exchange?.resume() };
  const cutOff = (why: CutReason) => {
    cut = why;
    control.abort();
  };
  const leave = enterLive(ports, admitted, {
    streaming: () => relay?.streaming ?? false,
    cut: cutOff,
    rejudge: (caller) =>
      guarded(() => {
        const rejudged = rejudge(current, caller);
        if (!rejudged) return;
        current = rejudged.admitted;
        if (rejudged.cut) cutOff(rejudged.cut);
        else relay?.rejudge?.(current, rejudged);
      }, undefined),
  });
  const finish = (end: RelayEnd) => {
    leave();
    resolve(end);
  };
  /** A fault in a relay must end the attempt like anything else: the client and the hold wait for it. */
  const fault = (thrown: unknown): void => {
    // What a relay refuses is an answer that is none; anything else is a fault in here, and what the answer was is not known.
    const ending = thrown instanceof Denial ? 'error' : 'lost';
    finish({ status: 'fault', ending, refusal: asDenial(ports, admitted, thrown) });
    control.abort();
  };
  const guarded = <T>(act: () => T, otherwise: T): T => {
    try {
      return act();
    } catch (thrown) {
      fault(thrown);
      return otherwise;
    }
  };
  const finishWith = (end: RelayEnd | Promise<RelayEnd>): void => {
    if (end instanceof Promise) end.then(finish).catch(fault);
    else finish(end);
  };
  let paused = false;
  const passOn = (chunk: Buffer): boolean => {
    const more = relay?.chunk(chunk) ?? true;
    if (!more && !paused) reply.onDrain(control.resume);
    paused ||= !more;
    return more;
  };
  const receiver: AnswerReceiver = {
    onHead: (status, headers) =>
      guarded(() => {
        relay = chooseRelay(ports, current, { status, headers, control });
      }, undefined),
    onChunk: (chunk) => guarded(() => passOn(chunk), true),
    onEnd: () =>
      guarded(() => finishWith(relay?.end() ?? { status: 'no-answer', ending: 'lost', refusal: new Denial('UPSTREAM_FAILED') }), undefined),
    onFailure: (failure) =>
      guarded(() => {
        finishWith(relay?.fail(failure, cut) ?? failedBeforeHead(failure, { cut, clientGone: reply.closed }));
      }, undefined),
  };
  try {
    exchange = ports.upstreams.dispatch(request, receiver);
  } catch (thrown) {
    leave();
    throw thrown;
  }
  // Closing the stream is cancellation in 2026-07-28; in the session era the upstream goes on, and its answer is dropped with us.
  reply.onGone(control.abort);
  return promise;
}

function chooseRelay(ports: ForwardPorts, admitted: Admitted, answer: Answer): Relay {
  const { intent } = admitted;
  if (intent.kind === 'request' || intent.kind === 'stream') {
    return isEvents(answer) ? relayEvents(ports, admitted, answer) : relayMessage(ports, admitted, answer);
  }
  return relayAcknowledgement(admitted, answer);
}

function isEvents({ status, headers }: Answer): boolean {
  return status === 200 && /^text\/event-stream\s*(?:;|$)/i.test(String(headers['content-type'] ?? ''));
}

function failedBeforeHead(failure: UpstreamFailure, { cut, clientGone }: { cut: CutReason | undefined; clientGone: boolean }): RelayEnd {
  const sent = (ending: 'timeout' | 'lost') => (failure.sent ? ending : 'not-sent');
  if (clientGone) return { status: 'client-gone', ending: sent('lost') };
  if (cut) return { status: cut, ending: sent('lost'), refusal: cutDenial(cut, failure) };
  return { status: failure.kind, ending: sent(failedEnding(failure)), refusal: upstreamDenial(failure) };
}

function enterLive(ports: ForwardPorts, admitted: Admitted, stream: Pick<LiveEntry, 'streaming' | 'cut' | 'rejudge'>): () => void {
  const { reservation, caller, intent, address, place } = admitted;
  const { accessToken, digest } = caller;
  const isWaiting = waits(intent);
  const leave = ports.live.enter({
    keyId: caller.key.id,
    address,
    expiresAt: accessToken?.expiresAt,
    digest,
    hold: reservation && { root: reservation.root, reservationId: reservation.id, until: reservation.holdUntil },
    kind: isWaiting ? 'stream' : 'call',
    streaming: stream.streaming,
    cut: stream.cut,
    rejudge: stream.rejudge,
  });
  if (isWaiting) place?.giveWay();
  return leave;
}
