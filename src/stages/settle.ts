import { chargeOf } from '../domain/charge.ts';
import { formatMicros } from '../domain/money.ts';
import type { SettleRequest } from '../ports/ledger.ts';
import { methodOf } from './call-facts.ts';
import type { Ports } from './ports.ts';
import type { Forwarded, Reservation } from './reached.ts';
import type { RouteForwarded } from './route-reached.ts';

/** What was forwarded: a message, or a request for a pass-through route. */
type Ended = Forwarded | RouteForwarded;

type SettlePorts = Pick<Ports, 'ledger' | 'clock' | 'metrics' | 'log' | 'retries'>;

/** How long a settle that failed is tried again at least, in milliseconds: what comes after the hold's expiry corrects it. */
const retryMsMin = 30_000;

/**
 * Ends the reservation when the answer has ended. What was sent is charged as the rule that the call was admitted under says: in full,
 * unless it says otherwise, because the upstream may have done the work. What certainly was not sent is released. A settle that fails
 * is tried again in the background; where that fails too, the hold expires.
 */
export async function settle(ports: SettlePorts, forwarded: Ended): Promise<void> {
  const { reservation, upstream } = forwarded;
  ports.metrics.request({
    upstream: upstream.name,
    method: methodOf(forwarded) ?? 'none',
    decision: 'allowed',
    reason: forwarded.refusal?.reason ?? 'none',
    seconds: (ports.clock.monotonic() - forwarded.began) / 1000,
  });
  if (!reservation) return;
  const request = settleRequest(ports, forwarded, reservation);
  if (!request) return;
  try {
    await ports.ledger.settle(request);
  } catch (error) {
    const facts = { requestId: forwarded.requestId };
    ports.log.fault('a call could not be settled; it is tried again', error, facts);
    const until = Math.max(reservation.holdUntil, ports.clock.now() + retryMsMin);
    ports.retries.keepTrying({ what: 'settling a call', act: () => ports.ledger.settle(request), until, facts });
  }
}

/** Undefined where the call cannot be charged, which is a fault: its hold is left to expire. */
function settleRequest(ports: SettlePorts, forwarded: Ended, { root, id, facts: known }: Reservation): SettleRequest | undefined {
  try {
    const { charge, facts } = chargeOfCall(forwarded);
    const { status, upstreamMs, refusal, began, ending } = forwarded;
    const outcome = {
      ...known,
      kind: 'call.outcome',
      decision: 'allowed',
      reason: refusal?.reason,
      status,
      latencyMs: Math.round(ports.clock.monotonic() - began),
      upstreamMs,
      ending: facts.ending,
      cost: facts.cost,
      costFault: facts.costFault,
      charged: formatMicros(charge),
    } as const;
    return { root, reservationId: id, charge, released: ending === 'not-sent', now: ports.clock.now(), outcome };
  } catch (error) {
    ports.log.fault('a call could not be charged; its hold is left to expire', error, { requestId: forwarded.requestId });
    return undefined;
  }
}

/** No term makes a call free whose answer can still be fetched by taking its stream up again: leaving would be a way not to pay. */
function chargeOfCall({ rule, price, ending, cost, resumable = false }: Ended): ReturnType<typeof chargeOf> {
  return chargeOf({ rule: resumable ? undefined : rule, held: price, ending, cost });
}
