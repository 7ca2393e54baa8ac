import type { Ending } from '../domain/charge.ts';
import { Denial } from '../domain/denial.ts';
import { createEventReader, type EventReader, type ServerEvent, writeEvent } from '../domain/events.ts';
import type { Reply } from '../ports/reply.ts';
import type { UpstreamFailure } from '../ports/upstreams.ts';
import { boundTo } from './bound-to.ts';
import { expectedAnswer } from './expected-answer.ts';
import { isStream } from './is-stream.ts';
import { listChangesFor } from './list-changes.ts';
import type { Admitted, ExpectedAnswer, ResumedEvent } from './reached.ts';
import {
  type Answer,
  type CutReason,
  cutDenial,
  encodingDenial,
  type ForwardPorts,
  failedEnding,
  type Relay,
  type RelayControl,
  type RelayEnd,
  upstreamDenial,
} from './relay.ts';
import { denialError, requestIdOf } from './render-denial.ts';
import { sealedSession } from './sealed-session.ts';
import { createStreamGate, type StreamGate } from './stream-gate.ts';

/**
 * An event stream, event by event: each is judged, written and flushed as soon as it is whole; nothing waits for the next.
 * Comments of the upstream's are dropped, and a comment of our own keeps a silent stream open.
 */
export function relayEvents(ports: ForwardPorts, admitted: Admitted, answer: Answer): Relay {
  return new EventRelay(ports, admitted, answer);
}

/** A class, and no closures, since thousands of streams may be open for days. */
class EventRelay implements Relay {
  readonly streaming = true;
  private readonly ports: ForwardPorts;
  private readonly admitted: Admitted;
  private readonly control: RelayControl;
  private readonly status: number;
  private readonly encoded: Denial | undefined;
  private readonly reader: EventReader;
  private readonly expected: ExpectedAnswer | undefined;
  private readonly gate: StreamGate;
  private readonly session: string | undefined;
  private readonly heartbeat: NodeJS.Timeout;
  private broken: Denial | undefined = undefined;
  private resumable = false;
  /** Resolves when every event before has been judged and written, where one waits for the store. */
  private behind: Promise<void> | undefined = undefined;
  private over = false;

  constructor(ports: ForwardPorts, admitted: Admitted, answer: Answer) {
    const { reply, policy } = admitted;
    const { status, headers, control } = answer;
    this.ports = ports;
    this.admitted = admitted;
    this.control = control;
    this.status = status;
    this.encoded = encodingDenial(answer);
    this.reader = createEventReader(policy.limits.eventBytesMax);
    this.expected = expectedOn(admitted);
    this.gate = createStreamGate(ports, admitted, this.expected);
    // An initialize answered as a stream brings the session that its own events belong to.
    this.session = admitted.session ?? (typeof headers['mcp-session-id'] === 'string' ? headers['mcp-session-id'] : undefined);
    reply.head(200, { ...streamHeaders, ...sealedSession(ports.seal, admitted, headers) }, true);
    this.heartbeat = setInterval(keepOpen, policy.limits.heartbeatMs, reply);
  }

  rejudge(next: Admitted, { seesOther }: { seesOther: boolean }): void {
    const { intent, reply } = this.admitted;
    this.gate.rejudge(next);
    // Only a stream that a client opened for what the server has to say carries what belongs to no request of its own.
    if (!seesOther || this.broken || this.over || !isStream(intent)) return;
    for (const text of listChangesFor(intent)) reply.write(writeEvent({ text, id: undefined, retry: undefined }));
  }

  chunk(chunk: Buffer): boolean {
    if (this.broken) return true;
    try {
      if (this.encoded) throw this.encoded;
      let ready = true;
      for (const event of this.reader.push(chunk)) ready = this.pass(event) && ready;
      return ready;
    } catch (thrown) {
      this.giveUp(thrown);
      return true;
    }
  }

  // A server may close the stream before the answer and let the client take it up again (2025-11-25, polling).
  end(): RelayEnd | Promise<RelayEnd> {
    return this.afterwards(() =>
      this.finish('lost', this.broken ?? (this.resumable ? undefined : new Denial('UPSTREAM_FAILED', { facts: { outcome: 'unknown' } }))),
    );
  }

  fail(failure: UpstreamFailure, cut: CutReason | undefined): RelayEnd | Promise<RelayEnd> {
    if (cut) return this.finish('lost', this.broken ?? cutDenial(cut, failure));
    return this.afterwards(() => this.finish(failedEnding(failure), this.broken ?? upstreamDenial(failure)));
  }

  private afterwards(end: () => RelayEnd): RelayEnd | Promise<RelayEnd> {
    return this.behind ? this.behind.then(end) : end();
  }

  /** One after another, in the order in which they came; true when the next may come at once. */
  private pass(event: ServerEvent): boolean {
    const { behind, gate } = this;
    const useless = () => this.over || this.broken !== undefined;
    const judged = behind ? behind.then(() => (useless() ? undefined : gate.judge(event))) : gate.judge(event);
    if (!(judged instanceof Promise)) return this.write(event, judged);
    const done = judged
      .then((text) => useless() || this.write(event, text))
      .catch((thrown: unknown) => this.giveUp(thrown))
      .then((ready) => {
        if (this.behind !== done) return;
        this.behind = undefined;
        // Where the client is slow, its own reading goes on with it.
        if (ready) this.control.resume();
      });
    this.behind = done;
    return false;
  }

  private write(event: ServerEvent, text: string | undefined): boolean {
    const { admitted } = this;
    // 2026-07-28 has no resumption: an id there would only make clients ask for what does not exist.
    const eventId = admitted.era === 'session' ? event.id : undefined;
    if (text === undefined && eventId === undefined && event.retry === undefined) return true;
    // An empty id takes back those before it for clients that keep to the rules, which whoever wants an answer for nothing need not.
    if (eventId) this.resumable = true;
    this.heartbeat.refresh();
    return admitted.reply.write(writeEvent({ text, id: this.sealId(eventId), retry: event.retry }));
  }

  /** Event ids are sealed with what the stream was for, so that resuming shows nothing that the stream would not have shown. */
  private sealId(eventId: string | undefined): string | undefined {
    if (eventId === undefined || eventId === '') return eventId;
    const { admitted, session, expected } = this;
    const plain: ResumedEvent = { eventId, ...(expected ? { answers: expected } : {}) };
    return this.ports.seal.seal({ purpose: 'event', bound: boundTo(admitted, session), plain: JSON.stringify(plain) });
  }

  private giveUp(thrown: unknown): void {
    const { requestId, upstream } = this.admitted;
    this.broken ??= thrown instanceof Denial ? thrown : new Denial('UPSTREAM_FAILED', { detail: 'The upstream broke the event stream.' });
    this.ports.log.warn('an upstream broke its event stream', { requestId, upstream: upstream.name });
    this.control.abort();
  }

  /** Ends the client's stream; a request that got no answer gets an error with its own id. */
  private finish(otherwise: Ending, denial: Denial | undefined): RelayEnd {
    const { admitted, gate, status } = this;
    const { reply } = admitted;
    clearInterval(this.heartbeat);
    this.over = true;
    const ending = this.broken ? 'error' : reply.closed ? 'lost' : otherwise;
    const end = gate.answer() ?? { ending, resumable: this.resumable };
    if (reply.closed) return { ...end, status: 'client-gone' };
    const id = requestIdOf(admitted);
    // What comes after the answer has passed is nobody's trouble any more.
    const refusal = gate.answer() ? undefined : denial;
    if (refusal && id !== null) {
      reply.write(writeEvent({ text: JSON.stringify({ jsonrpc: '2.0', id, error: denialError(refusal, admitted) }) }));
    }
    reply.end();
    return refusal ? { ...end, status: refusal.reason, refusal } : { ...end, status };
  }
}

function keepOpen(reply: Reply): void {
  reply.write(': keepalive\n\n');
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
