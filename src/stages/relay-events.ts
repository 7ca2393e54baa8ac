import type { Ending } from '../domain/charge.ts';
import { Denial } from '../domain/denial.ts';
import { createEventReader, type ServerEvent, writeEvent } from '../domain/events.ts';
import { boundTo } from './bound-to.ts';
import { expectedAnswer } from './expected-answer.ts';
import { isStream } from './is-stream.ts';
import { listChangesFor } from './list-changes.ts';
import type { Admitted, ExpectedAnswer, ResumedEvent } from './reached.ts';
import {
  type Answer,
  cutDenial,
  encodingDenial,
  type ForwardPorts,
  failedEnding,
  type Relay,
  type RelayEnd,
  upstreamDenial,
} from './relay.ts';
import { denialError, requestIdOf } from './render-denial.ts';
import { sealedSession } from './sealed-session.ts';
import { createStreamGate } from './stream-gate.ts';

/**
 * An event stream, event by event: each is judged, written and flushed as soon as it is whole; nothing waits for the next.
 * Comments of the upstream's are dropped, and a comment of our own keeps a silent stream open.
 */
export function relayEvents(ports: ForwardPorts, admitted: Admitted, answer: Answer): Relay {
  const { reply, policy } = admitted;
  const { status, headers, control } = answer;
  const encoded = encodingDenial(answer);
  const reader = createEventReader(policy.limits.eventBytesMax);
  const expected = expectedOn(admitted);
  const gate = createStreamGate(ports, admitted, expected);
  // An initialize answered as a stream brings the session that its own events belong to.
  const session = admitted.session ?? (typeof headers['mcp-session-id'] === 'string' ? headers['mcp-session-id'] : undefined);
  let broken: Denial | undefined;
  let resumable = false;
  /** Resolves when every event before has been judged and written, where one waits for the store. */
  let behind: Promise<void> | undefined;
  let over = false;

  reply.head(200, { ...streamHeaders, ...sealedSession(ports.seal, admitted, headers) }, true);
  const heartbeat = setInterval(() => reply.write(': keepalive\n\n'), policy.limits.heartbeatMs);

  /** Event ids are sealed with what the stream was for, so that resuming shows nothing that the stream would not have shown. */
  const sealId = (eventId: string | undefined): string | undefined => {
    if (eventId === undefined || eventId === '') return eventId;
    const plain: ResumedEvent = { eventId, ...(expected ? { answers: expected } : {}) };
    return ports.seal.seal({ purpose: 'event', bound: boundTo(admitted, session), plain: JSON.stringify(plain) });
  };

  const write = (event: ServerEvent, text: string | undefined): boolean => {
    // 2026-07-28 has no resumption: an id there would only make clients ask for what does not exist.
    const eventId = admitted.era === 'session' ? event.id : undefined;
    if (text === undefined && eventId === undefined && event.retry === undefined) return true;
    // An empty id takes back those before it for clients that keep to the rules, which whoever wants an answer for nothing need not.
    if (eventId) resumable = true;
    heartbeat.refresh();
    return reply.write(writeEvent({ text, id: sealId(eventId), retry: event.retry }));
  };

  const giveUp = (thrown: unknown): void => {
    broken ??= thrown instanceof Denial ? thrown : new Denial('UPSTREAM_FAILED', { detail: 'The upstream broke the event stream.' });
    ports.log.warn('an upstream broke its event stream', { requestId: admitted.requestId, upstream: admitted.upstream.name });
    control.abort();
  };

  /** One after another, in the order in which they came; true when the next may come at once. */
  const pass = (event: ServerEvent): boolean => {
    const useless = () => over || broken !== undefined;
    const judged = behind ? behind.then(() => (useless() ? undefined : gate.judge(event))) : gate.judge(event);
    if (!(judged instanceof Promise)) return write(event, judged);
    const done = judged
      .then((text) => useless() || write(event, text))
      .catch(giveUp)
      .then((ready) => {
        if (behind !== done) return;
        behind = undefined;
        // Where the client is slow, its own reading goes on with it.
        if (ready) control.resume();
      });
    behind = done;
    return false;
  };

  /** Ends the client's stream; a request that got no answer gets an error with its own id. */
  const finish = (otherwise: Ending, denial: Denial | undefined): RelayEnd => {
    clearInterval(heartbeat);
    over = true;
    const end = gate.answer() ?? { ending: broken ? 'error' : reply.closed ? 'lost' : otherwise, resumable };
    if (reply.closed) return { ...end, status: 'client-gone' };
    const id = requestIdOf(admitted);
    // What comes after the answer has passed is nobody's trouble any more.
    const refusal = gate.answer() ? undefined : denial;
    if (refusal && id !== null) {
      reply.write(writeEvent({ text: JSON.stringify({ jsonrpc: '2.0', id, error: denialError(refusal, admitted) }) }));
    }
    reply.end();
    return refusal ? { ...end, status: refusal.reason, refusal } : { ...end, status };
  };

  return {
    streaming: true,
    rejudge(next, { seesOther }) {
      gate.rejudge(next);
      // Only a stream that a client opened for what the server has to say carries what belongs to no request of its own.
      if (!seesOther || broken || over || !isStream(admitted.intent)) return;
      for (const text of listChangesFor(admitted.intent)) reply.write(writeEvent({ text, id: undefined, retry: undefined }));
    },
    chunk(chunk) {
      if (broken) return true;
      try {
        if (encoded) throw encoded;
        let ready = true;
        for (const event of reader.push(chunk)) ready = pass(event) && ready;
        return ready;
      } catch (thrown) {
        giveUp(thrown);
        return true;
      }
    },
    end: () => afterwards(ended),
    fail(failure, cut) {
      if (cut) return finish('lost', broken ?? cutDenial(cut, failure));
      return afterwards(() => finish(failedEnding(failure), broken ?? upstreamDenial(failure)));
    },
  };

  // A server may close the stream before the answer and let the client take it up again (2025-11-25, polling).
  function ended(): RelayEnd {
    return finish('lost', broken ?? (resumable ? undefined : new Denial('UPSTREAM_FAILED', { facts: { outcome: 'unknown' } })));
  }

  function afterwards(end: () => RelayEnd): RelayEnd | Promise<RelayEnd> {
    return behind ? behind.then(end) : end();
  }
}

const streamHeaders = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
} as const;

/** Which request's answer this stream may carry: the one just sent, or the one that a resumed stream belonged to. */
function expectedOn({ intent }: Admitted): ExpectedAnswer | undefined {
  if (intent.kind === 'request') return expectedAnswer(intent.message, intent.tasks);
  return intent.kind === 'stream' ? intent.resumed?.answers : undefined;
}
