import type { UpstreamRequest } from '../ports/upstreams.ts';
import { attempt } from './attempt.ts';
import { outbound } from './outbound.ts';
import type { Admitted, Forwarded } from './reached.ts';
import { answerDenial, asDenial } from './refuse.ts';
import type { ForwardPorts, RelayEnd } from './relay.ts';

/**
 * Makes the one attempt and answers the client, whatever comes of it. Never throws: the hold taken before must be settled.
 */
export async function forward(ports: ForwardPorts, admitted: Admitted): Promise<Forwarded> {
  const began = ports.clock.monotonic();
  const end = await attemptOrRefuse(ports, admitted);
  if (end.refusal) answerDenial(admitted, end.refusal);
  const { status, ending, cost, resumable, refusal } = end;
  return { ...admitted, status, ending, cost, resumable, refusal, upstreamMs: Math.round(ports.clock.monotonic() - began) };
}

/** Never throws, and the promise never rejects. */
function attemptOrRefuse(ports: ForwardPorts, admitted: Admitted): RelayEnd | Promise<RelayEnd> {
  const refused = (thrown: unknown): RelayEnd => ({ status: 'not-sent', ending: 'not-sent', refusal: asDenial(ports, admitted, thrown) });
  const send = (request: UpstreamRequest): RelayEnd | Promise<RelayEnd> =>
    // The last moment: from here on the reply itself tells when the client goes.
    admitted.reply.closed ? { status: 'client-gone', ending: 'not-sent' } : attempt(ports, admitted, request);
  try {
    const request = outbound(ports, admitted);
    return request instanceof Promise ? request.then(send).catch(refused) : send(request);
  } catch (thrown) {
    return refused(thrown);
  }
}
