import { Denial } from '../domain/denial.ts';
import { rootOf } from '../domain/key.ts';
import { formatMicros, zeroMicros } from '../domain/money.ts';
import type { AdmitResult, Ledger, LimitBreach } from '../ports/ledger.ts';
import { authorize } from './authorize.ts';
import { callFacts } from './call-facts.ts';
import { failClosed } from './fail-closed.ts';
import type { Ports } from './ports.ts';
import type { Admitted, Authorized, Reservation } from './reached.ts';

type AdmitPorts = Pick<Ports, 'ledger' | 'log' | 'callers' | 'catalogue' | 'stepUp' | 'clock' | 'hashArguments' | 'newId'>;

/** A record that changes between judgement and commit is judged again; one that never stands still is refused. */
const judgementsMax = 3;

/**
 * Can they afford it, and is it on record? One durable commit answers both (I1, I2). Notifications, ping and answers to
 * server requests take no reservation; their key was read from the newest committed state.
 */
export async function admit(ports: AdmitPorts, authorized: Authorized): Promise<Admitted> {
  const { intent, caller } = authorized;
  if (intent.kind === 'answer') {
    const first = await failClosed(ports.ledger.useOnce({ id: `${caller.key.id}:${intent.onceId}`, until: intent.onceUntil }));
    if (!first) throw new Denial('INVALID_MESSAGE', { detail: 'This request was answered before.' });
  }
  const liveOnly = intent.kind === 'request' && intent.gate?.by === 'key' && intent.gate.liveOnly;
  if (intent.kind === 'answer' || intent.kind === 'notification' || liveOnly) return seal(authorized, undefined);
  return reserve(ports, authorized, judgementsMax);
}

async function reserve(ports: AdmitPorts, authorized: Authorized, judgementsLeft: number): Promise<Admitted> {
  const { caller, policy } = authorized;
  const now = ports.clock.now();
  const reservation: Reservation = {
    facts: callFacts(ports, authorized),
    id: ports.newId(),
    root: rootOf(caller.key),
    holdUntil: now + policy.limits.holdMsMax,
  };
  const commit = ports.ledger.admit({
    root: reservation.root,
    reservationId: reservation.id,
    ...takings(authorized),
    now,
    holdUntil: reservation.holdUntil,
    intent: { kind: 'call.intent', ...reservation.facts },
  });
  const result = await failClosed(commit).catch((denial: unknown) => {
    releaseLate(ports, { commit, reservation });
    throw denial;
  });
  if (result.kind === 'admitted') return seal(authorized, reservation);
  if (result.kind === 'dead') throw new Denial(result.reason, { recorded: true });
  if (result.kind === 'limited') throw breachDenial(authorized, result.breach, { now, recorded: true });
  const fresh = ports.callers.again(caller);
  if (!fresh) throw new Denial('TOKEN_INVALID');
  if (judgementsLeft <= 1) throw new Denial('STORE_UNAVAILABLE', { detail: 'The key keeps changing.' });
  return reserve(ports, await authorize(ports, { ...authorized, caller: fresh }), judgementsLeft - 1);
}

/**
 * A commit that was given up may still come: its call was refused and never sent, so nothing must be charged when its hold expires.
 */
function releaseLate(ports: AdmitPorts, { commit, reservation }: { commit: Promise<AdmitResult>; reservation: Reservation }): void {
  const { id, root, facts: known } = reservation;
  const release = async (): Promise<void> => {
    const result = await commit.catch(() => undefined);
    if (result?.kind !== 'admitted') return;
    const charged = formatMicros(zeroMicros);
    const facts = { kind: 'call.outcome', ...known, decision: 'refused', reason: 'STORE_UNAVAILABLE' } as const;
    const ended = { charge: zeroMicros, released: true, now: ports.clock.now() };
    await ports.ledger.settle({ root, reservationId: id, ...ended, outcome: { ...facts, charged, status: 'not-sent' } });
  };
  release().catch((error: unknown) => {
    ports.log.fault('a call that was admitted too late could not be released', error, { requestId: known.requestId });
  });
}

/** What a call takes, and of whom: the part of an admit that can be asked about beforehand. */
export function takings({ caller, counts, subject, price, totals }: Authorized): Omit<Parameters<Ledger['preview']>[0], 'now'> {
  const { key, ancestors } = caller;
  return {
    ...{ key, ancestors, counts, price },
    ...(subject.tool === undefined ? {} : { tool: subject.tool }),
    ...(totals.length === 0 ? {} : { totals }),
  };
}

/** The one place where an Admitted comes into being. */
function seal(authorized: Authorized, reservation: Reservation | undefined): Admitted {
  return { ...authorized, reservation } as Admitted;
}

/** A limit that has no room for the call, as a refusal. Money and totals are decimal strings, counts whole numbers. */
export function breachDenial(authorized: Authorized, breach: LimitBreach, { now, recorded }: { now: number; recorded: boolean }): Denial {
  const { rule, upstream } = authorized;
  const show = (amount: number) => (breach.unit === 'micros' ? formatMicros(amount) : amount);
  const limits = { limit: show(breach.limit), spent: show(breach.spent), held: show(breach.held), ...resetFacts(breach, now) };
  if (breach.reason === 'POLICY_DENIED') {
    const facts = { rule: rule?.id, ruleRevision: upstream.revision, limitName: breach.limitName, ...limits };
    return new Denial(breach.reason, { detail: 'A running total of an argument has no room for this call.', recorded, facts });
  }
  // Every other limit is the key's or the account's own, and is named in the rule's place.
  return new Denial(breach.reason, { recorded, facts: { rule: breach.limitName, ruleRevision: upstream.revision, ...limits } });
}

function resetFacts({ resetAt }: LimitBreach, now: number): Denial['facts'] {
  return resetAt === undefined ? {} : { resetAt: new Date(resetAt).toISOString(), retryAfterMs: Math.max(0, resetAt - now) };
}
