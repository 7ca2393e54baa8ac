import type { LiveEntry } from '../ports/live.ts';
import type { AnswerReceiver, UpstreamExchange, UpstreamFailure } from '../ports/upstreams.ts';
import { outboundRoute } from './outbound-route.ts';
import type { Ports } from './ports.ts';
import { answerDenial, asDenial } from './refuse.ts';
import { rejudge } from './rejudge.ts';
import { type CutReason, cutDenial, failedEnding, noAnswerDenial, type Relay, type RelayEnd, upstreamDenial } from './relay.ts';
import { relayRoute } from './relay-route.ts';
import type { RouteAdmitted, RouteForwarded } from './route-reached.ts';

type ForwardPorts = Pick<Ports, 'passthrough' | 'assertions' | 'live' | 'clock' | 'log'>;

/** Makes the one attempt and answers the client, whatever comes of it. Never throws: the hold taken before must be settled. */
export async function forwardRoute(ports: ForwardPorts, admitted: RouteAdmitted): Promise<RouteForwarded> {
  const began = ports.clock.monotonic();
  const end = await attemptOrRefuse(ports, admitted);
  if (end.refusal) answerDenial(admitted, end.refusal);
  return { ...admitted, ...end, upstreamMs: Math.round(ports.clock.monotonic() - began) };
}

async function attemptOrRefuse(ports: ForwardPorts, admitted: RouteAdmitted): Promise<RelayEnd> {
  try {
    const request = await outboundRoute(ports, admitted);
    if (admitted.reply.closed) return { status: 'client-gone', ending: 'not-sent' };
    const { ended, receiver, entry, begun } = carry(ports, admitted);
    const leave = ports.live.enter(entry);
    if (entry.kind === 'stream') admitted.place?.giveWay();
    try {
      begun(ports.passthrough.dispatch(request, receiver));
      return await ended;
    } finally {
      leave();
    }
  } catch (thrown) {
    return { status: 'not-sent', ending: 'not-sent', refusal: asDenial(ports, admitted, thrown) };
  }
}

/** The attempt from the answer's side, and from the side of what may cut it off. */
function carry(ports: ForwardPorts, admitted: RouteAdmitted) {
  const { promise: ended, resolve } = Promise.withResolvers<RelayEnd>();
  const { reply } = admitted;
  let exchange: UpstreamExchange | undefined;
  let relay: Relay | undefined;
  let cut: CutReason | undefined;
  const abort = (): void => exchange?.abort();
  const resume = (): void => exchange?.resume();
  const cutOff = (why: CutReason): void => {
    cut ??= why;
    abort();
  };
  const guarded = <T>(act: () => T, otherwise: T): T => {
    try {
      return act();
    } catch (thrown) {
      resolve({ status: 'fault', ending: 'lost', refusal: asDenial(ports, admitted, thrown) });
      abort();
      return otherwise;
    }
  };
  const receiver: AnswerReceiver = {
    onHead: (status, headers) =>
      guarded(() => {
        relay = admitted.upgrading ? relayUpgrade(status, abort) : relayRoute(admitted, { status, headers, control: { abort, resume } });
      }, undefined),
    onChunk: (chunk) => guarded(() => relay?.chunk(chunk) ?? true, true),
    onEnd: () => guarded(() => resolve(relay?.end() ?? { status: 'no-answer', ending: 'lost' }), undefined),
    onFailure: (failure) => guarded(() => resolve(relay?.fail(failure, cut) ?? failedBeforeHead(failure, cut, reply.closed)), undefined),
  };
  return {
    ended,
    receiver,
    entry: liveEntry(admitted, { streaming: () => relay?.streaming ?? false, cut: cutOff }),
    begun(started: UpstreamExchange): void {
      exchange = started;
      // Cut before there was anything to break off.
      if (cut) abort();
      reply.onGone(abort);
      reply.onDrain(() => started.resume());
    },
  };
}

/** A websocket that opened has no answer any more: its end, by whomever, is the end. */
function relayUpgrade(status: number, abort: () => void): Relay {
  if (status === 101) {
    return {
      ...{ streaming: true, chunk: () => true, end: () => ({ status, ending: 'answered' }) as const },
      fail: (failure, cut) => ({ status: cut ?? failure.kind, ending: cut ? 'lost' : 'answered' }),
    };
  }
  const end: RelayEnd = { status, ending: 'error', refusal: noAnswerDenial(status, 'The upstream did not open a websocket.') };
  abort();
  return { streaming: false, chunk: () => true, end: () => end, fail: () => end };
}

function liveEntry(admitted: RouteAdmitted, stream: Pick<LiveEntry, 'streaming' | 'cut'> & { cut: (why: CutReason) => void }): LiveEntry {
  const { caller, reservation, upgrading, address } = admitted;
  const { accessToken, digest } = caller;
  let current = admitted;
  return {
    keyId: caller.key.id,
    address,
    ...(accessToken === undefined ? {} : { expiresAt: accessToken.expiresAt }),
    ...(digest === undefined ? {} : { digest }),
    ...(reservation && { hold: { root: reservation.root, reservationId: reservation.id, until: reservation.holdUntil } }),
    kind: upgrading ? 'stream' : 'call',
    ...stream,
    rejudge(newest) {
      const rejudged = rejudge(current, newest);
      if (!rejudged) return;
      current = rejudged.admitted;
      if (rejudged.cut) stream.cut(rejudged.cut);
      else if (!current.rule.scopes.every((scope) => current.caller.grants(scope))) stream.cut('TOOL_NOT_ALLOWED');
    },
  };
}

function failedBeforeHead(failure: UpstreamFailure, cut: CutReason | undefined, clientGone: boolean): RelayEnd {
  const ending = failure.sent ? failedEnding(failure) : 'not-sent';
  if (clientGone) return { status: 'client-gone', ending: failure.sent ? 'lost' : 'not-sent' };
  if (cut) return { status: cut, ending, refusal: cutDenial(cut, failure) };
  return { status: failure.kind, ending, refusal: upstreamDenial(failure) };
}
