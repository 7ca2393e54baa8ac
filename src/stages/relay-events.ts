import { Denial } from '../domain/denial.ts';
import { createEventReader, type ServerEvent, writeEvent } from '../domain/events.ts';
import { boundTo } from './bound-to.ts';
import type { Admitted, ResumedEvent } from './reached.ts';
import { type Answer, cutDenial, type ForwardPorts, type Relay, type RelayEnd, upstreamDenial } from './relay.ts';
import { denialError, requestIdOf } from './render-denial.ts';
import { sealedSession } from './sealed-session.ts';
import { createStreamGate } from './stream-gate.ts';

/**
 * An event stream, event by event: each is judged, written and flushed as soon as it is whole; nothing waits for the next.
 * Comments of the upstream's are dropped, and a comment of our own keeps a silent stream open.
 */
export function relayEvents(ports: ForwardPorts, admitted: Admitted, { status, headers, control }: Answer): Relay {
  const { reply, policy } = admitted;
  const reader = createEventReader(policy.limits.eventBytesMax);
  const expected = expectedAnswer(admitted);
  const gate = createStreamGate(ports, admitted, expected);
  // An initialize answered as a stream brings the session that its own events belong to.
  const session = admitted.session ?? (typeof headers['mcp-session-id'] === 'string' ? headers['mcp-session-id'] : undefined);
  let broken: Denial | undefined;
  let resumable = false;

  reply.head(200, { ...streamHeaders, ...sealedSession(ports.seal, admitted, headers) }, true);
  const heartbeat = setInterval(() => reply.write(': keepalive\n\n'), policy.limits.heartbeatMs);

  /** Event ids are sealed with what the stream was for, so that resuming shows nothing that the stream would not have shown. */
  const sealId = (eventId: string | undefined): string | undefined => {
    if (eventId === undefined || eventId === '') return eventId;
    const plain: ResumedEvent = { eventId, ...(expected ? { answers: expected } : {}) };
    return ports.seal.seal({ purpose: 'event', bound: boundTo(admitted, session), plain: JSON.stringify(plain) });
  };

  const pass = (event: ServerEvent): boolean => {
    const text = gate.judge(event);
    // 2026-07-28 has no resumption: an id there would only make clients ask for what does not exist.
    const eventId = admitted.era === 'session' ? event.id : undefined;
    if (text === undefined && eventId === undefined && event.retry === undefined) return true;
    if (eventId !== undefined) resumable = true;
    heartbeat.refresh();
    return reply.write(writeEvent({ text, id: sealId(eventId), retry: event.retry }));
  };

  /** Ends the client's stream; a request that got no answer gets an error with its own id. */
  const finish = (denial: Denial | undefined): RelayEnd => {
    clearInterval(heartbeat);
    if (reply.closed) return { status: 'client-gone' };
    const id = requestIdOf(admitted);
    // What comes after the answer has passed is nobody's trouble any more.
    const refusal = gate.answered ? undefined : denial;
    if (refusal && id !== null) {
      reply.write(writeEvent({ text: JSON.stringify({ jsonrpc: '2.0', id, error: denialError(refusal, admitted) }) }));
    }
    reply.end();
    return refusal ? { status: refusal.reason, refusal } : { status };
  };

  return {
    streaming: true,
    chunk(chunk) {
      if (broken) return true;
      try {
        let ready = true;
        for (const event of reader.push(chunk)) ready = pass(event) && ready;
        return ready;
      } catch (thrown) {
        broken = thrown instanceof Denial ? thrown : new Denial('UPSTREAM_FAILED', { detail: 'The upstream broke the event stream.' });
        ports.log.warn('an upstream broke its event stream', { requestId: admitted.requestId, upstream: admitted.upstream.name });
        control.abort();
        return true;
      }
    },
    // A server may close the stream before the answer and let the client take it up again (2025-11-25, polling).
    end: () =>
      finish(broken ?? (gate.answered || resumable ? undefined : new Denial('UPSTREAM_FAILED', { facts: { outcome: 'unknown' } }))),
    fail: (failure, cut) => finish(broken ?? (cut ? cutDenial(cut, failure) : upstreamDenial(failure))),
  };
}

const streamHeaders = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
} as const;

/** Which request's answer this stream may carry: the one just sent, or the one that a resumed stream belonged to. */
function expectedAnswer({ intent }: Admitted): ResumedEvent['answers'] {
  if (intent.kind === 'request') return { id: intent.message.id, method: intent.message.method };
  return intent.kind === 'stream' ? intent.resumed?.answers : undefined;
}
