import type { Ending } from '../domain/charge.ts';
import type { CostReading } from '../domain/cost.ts';
import { Denial } from '../domain/denial.ts';
import type { LiveEntry } from '../ports/live.ts';
import type { UpstreamFailure } from '../ports/upstreams.ts';
import type { Ports } from './ports.ts';
import type { Admitted } from './reached.ts';

export type ForwardPorts = Pick<
  Ports,
  'upstreams' | 'assertions' | 'toolPins' | 'seal' | 'live' | 'ledger' | 'clock' | 'log' | 'scratch' | 'memory' | 'lists'
>;

/** How an attempt ended, as a relay tells it. */
export interface RelayEnd {
  readonly status: number | string;
  readonly ending: Ending;
  /** What the result said that it cost, where the rule takes that. */
  readonly cost?: CostReading;
  /** True where no final answer came, and the client has what it needs to fetch one: an event id, a state, a task. */
  readonly resumable?: boolean;
  /** A refusal to answer with, where no head was sent yet. */
  readonly refusal?: Denial;
}

/** Carries one sort of answer from the upstream to the client. `chunk` returns false to be paused. */
export interface Relay {
  readonly streaming: boolean;
  chunk(chunk: Buffer): boolean;
  /** A promise where part of the answer still waits for the store. */
  end(): RelayEnd | Promise<RelayEnd>;
  fail(failure: UpstreamFailure, cut: CutReason | undefined): RelayEnd | Promise<RelayEnd>;
  /** What passes from now on is judged by this caller's right. @param options.seesOther tell the client that lists may read otherwise */
  rejudge?(admitted: Admitted, options: { seesOther: boolean }): void;
}

/** Why what is running is cut off here: its key died or may no longer do it, the store is silent, or this process ends. */
export type CutReason = Parameters<LiveEntry['cut']>[0] | 'TOOL_NOT_ALLOWED' | 'ADDRESS_NOT_ALLOWED';

/** What a relay may do to the attempt it serves. */
export interface RelayControl {
  abort(): void;
  /** Lets the upstream go on after chunk() returned false. */
  resume(): void;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly control: RelayControl;
}

/** The refusal of an answer in an encoding; none is ever asked for, so nobody here could read it. */
export function encodingDenial({ status, headers }: Answer): Denial | undefined {
  if ((headers['content-encoding'] ?? 'identity') === 'identity') return undefined;
  return noAnswerDenial(status, 'The upstream sent a content encoding that was not asked for.');
}

/** The refusal of an answer that is none. */
export function noAnswerDenial(status: number, detail: string): Denial {
  return new Denial('UPSTREAM_FAILED', { detail, facts: { upstreamStatus: status, outcome: 'unknown' } });
}

/** The refusal a failed attempt deserves. The caller is told whether the call may have taken effect. A cause that is a refusal says it better. */
export function upstreamDenial(failure: UpstreamFailure): Denial {
  if (failure.cause instanceof Denial) return failure.cause;
  const outcome = failure.sent ? 'unknown' : 'not-sent';
  return new Denial(failure.kind === 'timeout' ? 'UPSTREAM_TIMEOUT' : 'UPSTREAM_FAILED', { facts: { outcome } });
}

/** How an attempt ended that failed after the upstream got some of it. Whatever is no silence of the upstream's leaves its answer unknown. */
export function failedEnding({ kind }: Pick<UpstreamFailure, 'kind'>): 'timeout' | 'lost' {
  return kind === 'timeout' ? 'timeout' : 'lost';
}

/** The refusal of a call that was cut off here. Whoever repeats it must know whether it may have taken effect already. */
export function cutDenial(cut: CutReason, { sent }: Pick<UpstreamFailure, 'sent'>): Denial {
  return new Denial(cut, { facts: { outcome: sent ? 'unknown' : 'not-sent' } });
}
