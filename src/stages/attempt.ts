import { Denial } from '../domain/denial.ts';
import type { Caller } from '../ports/callers.ts';
import type { LiveEntry } from '../ports/live.ts';
import type { AnswerReceiver, UpstreamExchange, UpstreamFailure, UpstreamRequest } from '../ports/upstreams.ts';
import { waits } from './is-stream.ts';
import type { Admitted } from './reached.ts';
import { asDenial } from './refuse.ts';
import { rejudge } from './rejudge.ts';
import type { Answer, CutReason, ForwardPorts, Relay, RelayControl, RelayEnd } from './relay.ts';
import { cutDenial, failedEnding, upstreamDenial } from './relay.ts';
import { relayAcknowledgement } from './relay-acknowledgement.ts';
import { relayEvents } from './relay-events.ts';
import { relayMessage } from './relay-message.ts';

/**
 * Hands the request to the upstream and carries its answer to the client. Resolves with how it ended, and never rejects.
 * @throws what `Live.enter` and `Upstreams.dispatch` do; then nothing was sent
 */
export function attempt(ports: ForwardPorts, admitted: Admitted, request: UpstreamRequest): Promise<RelayEnd> {
  const { promise, resolve } = Promise.withResolvers<RelayEnd>();
  new Attempt(ports, admitted, resolve).begin(request);
  return promise;
}

/**
 * What runs: for the upstream the receiver of its answer, for the relay the way to the upstream, for Live the entry. One object of a class for all of
 * them, since thousands of streams may be open for days, and each closure would be one more thing that every stream keeps.
 */
class Attempt implements AnswerReceiver, RelayControl, LiveEntry {
  readonly keyId: string;
  readonly address: string;
  readonly expiresAt: number | undefined;
  readonly digest: string | undefined;
  readonly hold: LiveEntry['hold'];
  readonly kind: LiveEntry['kind'];
  private readonly ports: ForwardPorts;
  private readonly resolve: (end: RelayEnd) => void;
  private current: Admitted;
  private exchange: UpstreamExchange | undefined = undefined;
  private relay: Relay | undefined = undefined;
  private cutBy: CutReason | undefined = undefined;
  private leave: (() => void) | undefined = undefined;
  private paused = false;

  constructor(ports: ForwardPorts, admitted: Admitted, resolve: (end: RelayEnd) => void) {
    const { reservation, caller, intent, address } = admitted;
    this.keyId = caller.key.id;
    this.address = address;
    this.expiresAt = caller.accessToken?.expiresAt;
    this.digest = caller.digest;
    this.hold = reservation && { root: reservation.root, reservationId: reservation.id, until: reservation.holdUntil };
    this.kind = waits(intent) ? 'stream' : 'call';
    this.ports = ports;
    this.resolve = resolve;
    this.current = admitted;
  }

  begin(request: UpstreamRequest): void {
    const { ports, current } = this;
    this.leave = ports.live.enter(this);
    if (this.kind === 'stream') current.place?.giveWay();
    try {
      this.exchange = ports.upstreams.dispatch(request, this);
    } catch (thrown) {
      this.leave();
      throw thrown;
    }
    // Closing the stream is cancellation in 2026-07-28; in the session era the upstream goes on, and its answer is dropped with us.
    current.reply.onGone(() => this.abort());
  }

  streaming(): boolean {
    return this.relay?.streaming ?? false;
  }

  cut(why: CutReason): void {
    this.cutBy = why;
    this.abort();
  }

  rejudge(caller: Caller): void {
    try {
      const rejudged = rejudge(this.current, caller);
      if (!rejudged) return;
      this.current = rejudged.admitted;
      if (rejudged.cut) this.cut(rejudged.cut);
      else this.relay?.rejudge?.(this.current, rejudged);
    } catch (thrown) {
      this.fault(thrown);
    }
  }

  abort(): void {
    this.exchange?.abort();
  }

  resume(): void {
    this.exchange?.resume();
  }

  onHead(status: number, headers: Answer['headers']): void {
    try {
      this.relay = chooseRelay(this.ports, this.current, { status, headers, control: this });
    } catch (thrown) {
      this.fault(thrown);
    }
  }

  onChunk(chunk: Buffer): boolean {
    try {
      const more = this.relay?.chunk(chunk) ?? true;
      if (!more && !this.paused) this.current.reply.onDrain(() => this.resume());
      this.paused ||= !more;
      return more;
    } catch (thrown) {
      this.fault(thrown);
      return true;
    }
  }

  onEnd(): void {
    try {
      this.finishWith(this.relay?.end() ?? { status: 'no-answer', ending: 'lost', refusal: new Denial('UPSTREAM_FAILED') });
    } catch (thrown) {
      this.fault(thrown);
    }
  }

  onFailure(failure: UpstreamFailure): void {
    const { cutBy: cut, current, relay } = this;
    try {
      this.finishWith(relay?.fail(failure, cut) ?? failedBeforeHead(failure, { cut, clientGone: current.reply.closed }));
    } catch (thrown) {
      this.fault(thrown);
    }
  }

  private finishWith(end: RelayEnd | Promise<RelayEnd>): void {
    if (end instanceof Promise) end.then((ended) => this.finish(ended)).catch((thrown: unknown) => this.fault(thrown));
    else this.finish(end);
  }

  private finish(end: RelayEnd): void {
    this.leave?.();
    this.resolve(end);
  }

  /** A fault in a relay must end the attempt like anything else: the client and the hold wait for it. */
  private fault(thrown: unknown): void {
    // What a relay refuses is an answer that is none; anything else is a fault in here, and what the answer was is not known.
    const ending = thrown instanceof Denial ? 'error' : 'lost';
    this.finish({ status: 'fault', ending, refusal: asDenial(this.ports, this.current, thrown) });
    this.abort();
  }
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
