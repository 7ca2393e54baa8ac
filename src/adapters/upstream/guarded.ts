import { isDeepStrictEqual } from 'node:util';
import { Denial } from '../../domain/denial.ts';
import { TurnoverMap } from '../../domain/turnover-map.ts';
import type { BreakerState, BreakerTerms, UpstreamHealth, UpstreamLimits } from '../../domain/upstream-terms.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Ledger } from '../../ports/ledger.ts';
import type { Log } from '../../ports/observe.ts';
import type { AnswerReceiver, UpstreamExchange, UpstreamRequest, Upstreams } from '../../ports/upstreams.ts';
import { type Breaker, createBreaker, type LetIn } from './breaker.ts';
import { type Bulkhead, createBulkhead } from './bulkhead.ts';
import { type Dispatch, type StartedCall, startGuardedCall } from './guarded-call.ts';

export interface GuardTerms {
  /** Where the upstream is: what is known of one does not hold for another that takes its name. */
  readonly url: string;
  readonly breaker: BreakerTerms | false;
  readonly limits: UpstreamLimits;
}

export interface GuardedUpstreams extends Upstreams {
  /** The same guard around another way to the same upstreams. @throws Denial as `dispatch` does */
  guard(
    request: Pick<UpstreamRequest, 'upstream' | 'long' | 'headTimeoutMs'>,
    receiver: AnswerReceiver,
    dispatch: Dispatch,
  ): UpstreamExchange;
  health(): UpstreamHealth[];
  /** Takes the terms of a new configuration. Breakers whose terms stay the same keep what they know. */
  configure(terms: ReadonlyMap<string, GuardTerms>): void;
}

/** One upstream's guard. */
interface Gate {
  terms: GuardTerms;
  readonly breaker: Breaker | undefined;
  readonly bulkhead: Bulkhead;
  /** Calls that have not ended, so that those which wait can be turned away when the breaker opens. */
  readonly calls: TurnoverMap<StartedCall, StartedCall>;
  streams: number;
}

/** How long whoever finds the queue full is told to wait, in milliseconds. */
const overloadedMs = 1_000;
const always: LetIn = { trial: false, tell: () => undefined };

/**
 * Keeps each upstream's trouble to itself: a breaker stops calling one that keeps failing, and bounds on what runs and waits keep a slow
 * one from taking what others need. What is refused here was not sent. What clients cause (leaving, 4xx) opens nothing.
 */
export function createGuardedUpstreams(options: {
  upstreams: Upstreams;
  terms: ReadonlyMap<string, GuardTerms>;
  clock: Pick<Clock, 'now'>;
  ledger: Pick<Ledger, 'record'>;
  log: Log;
}): GuardedUpstreams {
  const gates = new Map<string, Gate>();
  const changed = (upstream: string, state: BreakerState): void => {
    tell(options, upstream, state);
    if (state === 'open')
      for (const call of gates.get(upstream)?.calls.values() ?? []) call.turnAway(unavailable(gates.get(upstream)?.breaker));
  };
  const guarded: GuardedUpstreams = {
    dispatch: (request, receiver) => guarded.guard(request, receiver, (watched) => options.upstreams.dispatch(request, watched)),
    guard(request, receiver, dispatch) {
      const gate = gates.get(request.upstream);
      return gate ? enter(gate, request, receiver, dispatch) : dispatch(receiver);
    },
    health: () =>
      [...gates].map(([upstream, { breaker, bulkhead, streams }]) => ({
        ...{ upstream, state: breaker?.state ?? 'closed' },
        ...{ inflight: bulkhead.running + streams, waiting: bulkhead.waiting },
      })),
    configure(terms) {
      for (const name of gates.keys()) if (!terms.has(name)) gates.delete(name);
      for (const [name, wanted] of terms) {
        const gate = gates.get(name);
        if (gate && gate.terms.url === wanted.url && isDeepStrictEqual(gate.terms.breaker, wanted.breaker)) gate.terms = wanted;
        else
          gates.set(
            name,
            openGate(wanted, options.clock, (state) => changed(name, state)),
          );
      }
    },
  };
  guarded.configure(options.terms);
  return guarded;
}

function openGate(terms: GuardTerms, clock: Pick<Clock, 'now'>, onChange: (state: BreakerState) => void): Gate {
  const gate: Gate = {
    terms,
    breaker: terms.breaker === false ? undefined : createBreaker({ terms: terms.breaker, clock, onChange }),
    bulkhead: createBulkhead(() => gate.terms.limits),
    calls: new TurnoverMap(),
    streams: 0,
  };
  return gate;
}

function enter(
  gate: Gate,
  { long, headTimeoutMs }: Pick<UpstreamRequest, 'long' | 'headTimeoutMs'>,
  receiver: AnswerReceiver,
  dispatch: Dispatch,
): UpstreamExchange {
  const letIn = gate.breaker ? gate.breaker.enter() : always;
  if (!letIn) throw unavailable(gate.breaker);
  let call: StartedCall | undefined;
  let over = false;
  if (long) gate.streams += 1;
  call = startGuardedCall({
    letIn,
    receiver,
    dispatch,
    waitMsMax: headTimeoutMs,
    bulkhead: long ? undefined : gate.bulkhead,
    ended() {
      over = true;
      if (long) gate.streams -= 1;
      if (call) gate.calls.delete(call);
    },
  });
  if (!call) {
    const facts = { retryAfterMs: overloadedMs, outcome: 'not-sent' };
    throw new Denial('OVERLOADED', { detail: 'As many calls wait for this upstream as may.', facts });
  }
  if (!over) gate.calls.set(call, call);
  return call;
}

function unavailable(breaker: Breaker | undefined): Denial {
  return new Denial('UPSTREAM_UNAVAILABLE', { facts: { retryAfterMs: breaker?.retryAfterMs() ?? overloadedMs, outcome: 'not-sent' } });
}

/** Opening and closing are on record; a trial is only the way from one to the other. */
function tell({ ledger, log }: { ledger: Pick<Ledger, 'record'>; log: Log }, upstream: string, state: BreakerState): void {
  if (state === 'half-open') return;
  if (state === 'open') log.warn('an upstream keeps failing and is not called for now', { upstream });
  else log.note('an upstream is called again', { upstream });
  ledger
    .record({ kind: state === 'open' ? 'upstream.opened' : 'upstream.closed', upstream })
    .catch((error: unknown) => log.fault('a change of an upstream could not be journalled', error, { upstream }));
}
