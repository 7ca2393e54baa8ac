import { Denial, denialTable } from '../domain/denial.ts';
import { callFacts, methodOf } from './call-facts.ts';
import { failClosed } from './fail-closed.ts';
import type { Ports } from './ports.ts';
import { renderDenial } from './render-denial.ts';
import type { AnyReached } from './route-reached.ts';

type RefusePorts = Pick<Ports, 'ledger' | 'clock' | 'log' | 'metrics' | 'tally' | 'hashArguments'>;

/** The end of every request that did not pass: counted, journalled, then answered. Anything thrown that is no Denial is a fault. */
export async function refuse(ports: RefusePorts, reached: AnyReached, thrown: unknown): Promise<void> {
  const denial = asDenial(ports, reached, thrown);
  ports.metrics.request({
    upstream: 'upstream' in reached ? reached.upstream.name : 'none',
    method: methodOf(reached) ?? 'none',
    decision: 'refused',
    reason: denial.reason,
    seconds: (ports.clock.monotonic() - reached.began) / 1000,
  });
  await journal(ports, reached, denial);
  answerDenial(reached, denial);
}

/** Writes the refusal where an answer can still be written; otherwise breaks off, so that nothing looks complete. */
export function answerDenial(reached: AnyReached, denial: Denial): void {
  const { reply } = reached;
  if (reply.closed) return;
  if (reply.headSent) {
    reply.cut();
    return;
  }
  const { status, headers, body } = renderDenial(denial, reached);
  reply.head(status, { ...headers, 'content-length': String(Buffer.byteLength(body)) });
  reply.end(body);
}

export function asDenial(ports: Pick<Ports, 'log'>, reached: AnyReached, thrown: unknown): Denial {
  if (thrown instanceof Denial) {
    if (thrown.cause !== undefined) ports.log.fault(`refused: ${thrown.reason}`, thrown.cause, { requestId: reached.requestId });
    return thrown;
  }
  ports.log.fault('a request failed inside the gateway', thrown, { requestId: reached.requestId });
  return new Denial('INTERNAL', { cause: thrown });
}

async function journal(ports: RefusePorts, reached: AnyReached, denial: Denial): Promise<void> {
  if (denial.recorded) return;
  if (!('caller' in reached)) return ports.tally.count(denial.reason, reached.address);
  if (denial.reason === 'STORE_UNAVAILABLE' || denial.reason === 'JOURNAL_UNAVAILABLE') return ports.tally.missed(denial.reason);
  try {
    const written = ports.ledger.record({
      ...callFacts(ports, reached, 'call.refused'),
      decision: 'refused',
      reason: denial.reason,
      rule: denial.facts.rule,
      ruleRevision: denial.facts.ruleRevision,
      status: denialTable[denial.reason].status,
    });
    await failClosed(written);
  } catch (error) {
    ports.log.fault('a refusal could not be journalled', error, { requestId: reached.requestId, reason: denial.reason });
    ports.tally.missed(denial.reason);
  }
}
