import { Denial } from '../domain/denial.ts';
import { rootOf } from '../domain/key.ts';
import { formatMicros } from '../domain/money.ts';
import type { LimitBreach } from '../ports/ledger.ts';
import { authorize } from './authorize.ts';
import { callFacts } from './call-facts.ts';
import { failClosed } from './fail-closed.ts';
import type { Ports } from './ports.ts';
import type { Admitted, Authorized, Reservation } from './reached.ts';

type AdmitPorts = Pick<Ports, 'ledger' | 'callers' | 'catalogue' | 'clock' | 'hashArguments' | 'newId'>;

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
  const { caller, policy, price, counts, subject } = authorized;
  const { key, ancestors } = caller;
  const now = ports.clock.now();
  const reservation: Reservation = { id: ports.newId(), root: rootOf(key), holdUntil: now + policy.limits.holdMsMax };
  const result = await failClosed(
    ports.ledger.admit({
      root: reservation.root,
      reservationId: reservation.id,
      key,
      ancestors,
      counts,
      ...(subject.tool === undefined ? {} : { tool: subject.tool }),
      price,
      now,
      holdUntil: reservation.holdUntil,
      intent: { kind: 'call.intent', ...callFacts(ports, authorized) },
    }),
  );
  if (result.kind === 'admitted') return seal(authorized, reservation);
  if (result.kind === 'dead') throw new Denial(result.reason, { recorded: true });
  if (result.kind === 'limited') throw new Denial(result.breach.reason, { recorded: true, facts: breachFacts(result.breach, now) });
  const fresh = ports.callers.byId(key.id);
  if (!fresh) throw new Denial('TOKEN_INVALID');
  if (judgementsLeft <= 1) throw new Denial('STORE_UNAVAILABLE', { detail: 'The key keeps changing.' });
  return reserve(ports, await authorize(ports, { ...authorized, caller: fresh }), judgementsLeft - 1);
}

/** The one place where an Admitted comes into being. */
function seal(authorized: Authorized, reservation: Reservation | undefined): Admitted {
  return { ...authorized, reservation } as Admitted;
}

function breachFacts(breach: LimitBreach, now: number): Denial['facts'] {
  const show = (amount: number) => (breach.unit === 'micros' ? formatMicros(amount) : amount);
  return {
    rule: breach.limitName,
    limit: show(breach.limit),
    spent: show(breach.spent),
    held: show(breach.held),
    ...(breach.resetAt === undefined
      ? {}
      : { resetAt: new Date(breach.resetAt).toISOString(), retryAfterMs: Math.max(0, breach.resetAt - now) }),
  };
}
