import { formatMicros, zeroMicros } from '../domain/money.ts';
import { methodOf } from './call-facts.ts';
import type { Ports } from './ports.ts';
import type { CallFacts, Forwarded } from './reached.ts';

type SettlePorts = Pick<Ports, 'ledger' | 'clock' | 'metrics' | 'log'>;

/**
 * Ends the reservation when the answer has ended. What was sent is charged, whatever came of it (the upstream may have
 * done the work); what certainly was not sent is released. A settle that fails leaves the hold, which expiry captures.
 */
export async function settle(ports: SettlePorts, forwarded: Forwarded): Promise<void> {
  const { reservation, price, sent, upstream } = forwarded;
  ports.metrics.request({
    upstream: upstream.name,
    method: methodOf(forwarded) ?? 'none',
    decision: 'allowed',
    reason: forwarded.refusal?.reason ?? 'none',
    seconds: (ports.clock.monotonic() - forwarded.began) / 1000,
  });
  if (!reservation) return;
  const charge = sent ? price : zeroMicros;
  try {
    await ports.ledger.settle({
      root: reservation.root,
      reservationId: reservation.id,
      charge,
      released: !sent,
      now: ports.clock.now(),
      outcome: { kind: 'call.outcome', ...reservation.facts, ...outcomeFacts(ports, forwarded), charged: formatMicros(charge) },
    });
  } catch (error) {
    ports.log.fault('a call could not be settled; its hold will be captured when it expires', error, { requestId: forwarded.requestId });
  }
}

function outcomeFacts(ports: SettlePorts, { status, upstreamMs, refusal, began }: Forwarded): CallFacts {
  const latencyMs = Math.round(ports.clock.monotonic() - began);
  return { decision: 'allowed', reason: refusal?.reason, status, latencyMs, upstreamMs };
}
