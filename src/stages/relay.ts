import { Denial } from '../domain/denial.ts';
import type { UpstreamFailure } from '../ports/upstreams.ts';
import type { Ports } from './ports.ts';

export type ForwardPorts = Pick<Ports, 'upstreams' | 'assertions' | 'seal' | 'live' | 'clock' | 'log'>;

/** How an attempt ended, as a relay tells it. */
export interface RelayEnd {
  readonly status: number | string;
  /** A refusal to answer with, where no head was sent yet. */
  readonly refusal?: Denial;
}

/** Carries one sort of answer from the upstream to the client. `chunk` returns false to be paused. */
export interface Relay {
  readonly streaming: boolean;
  chunk(chunk: Buffer): boolean;
  end(): RelayEnd;
  fail(failure: UpstreamFailure, cut: CutReason | undefined): RelayEnd;
}

export type CutReason = 'TOKEN_REVOKED' | 'TOKEN_EXPIRED' | 'STORE_UNAVAILABLE' | 'DRAINING';

/** What a relay may do to the attempt it serves. */
export interface RelayControl {
  abort(): void;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly control: RelayControl;
}

/** The refusal a failed attempt deserves. The caller is told whether the call may have taken effect. */
export function upstreamDenial(failure: UpstreamFailure): Denial {
  const outcome = failure.sent ? 'unknown' : 'not-sent';
  return new Denial(failure.kind === 'timeout' ? 'UPSTREAM_TIMEOUT' : 'UPSTREAM_FAILED', { facts: { outcome } });
}

/** The refusal of a call that was cut off here. Whoever repeats it must know whether it may have taken effect already. */
export function cutDenial(cut: CutReason, { sent }: Pick<UpstreamFailure, 'sent'>): Denial {
  return new Denial(cut, { facts: { outcome: sent ? 'unknown' : 'not-sent' } });
}
