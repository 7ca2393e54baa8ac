import { Denial } from '../../domain/denial.ts';
import { createEventReader, type ServerEvent, writeEvent } from '../../domain/events.ts';
import type { UpstreamPolicy } from '../../domain/policy.ts';
import type { CapturedAnswer } from '../captured-reply.ts';
import { answerAsOne } from './answer-merged.ts';
import { joinEventIds, splitEventIds } from './event-ids.ts';
import type { Gathering } from './gathering.ts';

/** Wait before a member's stream that ended is opened again, in milliseconds: doubled each time it brought nothing. */
const reopenMsMin = 1_000;
const reopenMsMax = 60_000;

/**
 * The client's one GET stream, made of one of each member. It opens with the first that opens. A member whose stream ends does not end the
 * others': servers may close a stream and let the client take it up again (2025-11-25, polling), which is done here, since the client cannot
 * see it. It ends when no member's stream is open any more. Event ids name how far each member has come, so that the client can take up all.
 */
export async function mergeStreams(gathering: Gathering): Promise<void> {
  const { request, members } = gathering;
  const resumed = request.headers['last-event-id'];
  const ids = new Map<string, string>();
  if (resumed !== undefined) {
    const joined = splitEventIds(String(resumed));
    if (!joined) return resumeOne(gathering, String(resumed));
    for (const [upstream, id] of joined) ids.set(upstream, id);
  }
  const merged = createMerged(gathering, ids);
  const ends = await Promise.all(members.map((member) => merged.follow(member)));
  merged.close();
  if (request.reply.closed) return;
  if (merged.opened) request.reply.end();
  else answerAsOne(gathering, asRefusals(ends));
}

/** A stream that carries one request's answer was some member's own: only its sealed id opens. */
function resumeOne(gathering: Gathering, sealed: string): Promise<void> {
  const member = gathering.members.find((each) => gathering.open(each, 'event', sealed) !== undefined);
  if (!member) throw new Denial('SESSION_NOT_FOUND', { detail: 'The Last-Event-ID is not of this session.' });
  return gathering.pass(member, { lastEventId: sealed });
}

/** What a server says that offers no stream is heard only where none of them does. */
function asRefusals(answers: readonly CapturedAnswer[]): { answer: CapturedAnswer; reason?: 'UPSTREAM_FAILED' }[] {
  return answers.map((answer) => (answer.status === 405 ? { answer } : { answer, reason: 'UPSTREAM_FAILED' }));
}

function createMerged({ capture, request, sessionHeaders }: Gathering, ids: Map<string, string>) {
  const { reply, policy } = request;
  const { eventBytesMax, heartbeatMs } = policy.limits;
  const waiting = new Set<() => void>();
  let heartbeat: NodeJS.Timeout | undefined;
  let open = 0;
  let opened = false;

  const openReply = (): void => {
    open += 1;
    if (opened || reply.closed) return;
    opened = true;
    reply.head(200, { ...streamHeaders, ...sessionHeaders }, true);
    heartbeat = setInterval(() => reply.write(': keepalive\n\n'), heartbeatMs);
  };
  const write = (upstream: string, event: ServerEvent): boolean => {
    if (event.id) ids.set(upstream, event.id);
    heartbeat?.refresh();
    return reply.write(writeEvent({ text: event.text, retry: event.retry, id: event.id ? joinEventIds(ids) : undefined }));
  };
  const once = async (member: UpstreamPolicy): Promise<{ answer: CapturedAnswer; events: number; retryMs: number }> => {
    // The relay writes whole events; a sealed id and its field name come on top of what the upstream may send.
    const reader = createEventReader(eventBytesMax * 2 + 16_384);
    let events = 0;
    let retryMs = reopenMsMin;
    let streaming = false;
    const captured = capture(
      member,
      {
        onHead(status, headers) {
          streaming = status === 200 && String(headers['content-type']).startsWith('text/event-stream');
          if (streaming) openReply();
        },
        onEvents(chunk) {
          let ready = true;
          for (const event of reader.push(Buffer.from(chunk))) {
            events += 1;
            retryMs = Math.max(retryMs, event.retry ?? 0);
            ready = write(member.name, event) && ready;
          }
          return ready;
        },
      },
      { lastEventId: ids.get(member.name) },
    );
    const answer = await captured.ended;
    if (streaming) open -= 1;
    return { answer, events, retryMs };
  };
  /** Resolves early, to false, where nobody is left to wait for. */
  const pause = (ms: number): Promise<boolean> => {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => done(true), ms);
    const wake = () => done(false);
    const done = (on: boolean) => {
      clearTimeout(timer);
      waiting.delete(wake);
      resolve(on && open > 0 && !reply.closed);
    };
    waiting.add(wake);
    return promise;
  };
  const wakeAll = (): void => {
    for (const wake of [...waiting]) wake();
  };
  reply.onGone(wakeAll);

  return {
    get opened() {
      return opened;
    },
    /** Resolves with how the member's last stream ended, when it is not opened again. */
    async follow(member: UpstreamPolicy): Promise<CapturedAnswer> {
      for (let waitMs = reopenMsMin; ; ) {
        const { answer, events, retryMs } = await once(member);
        if (open === 0) wakeAll();
        if (answer.status !== 200 || !answer.whole || open === 0 || reply.closed) return answer;
        waitMs = events > 0 ? retryMs : Math.min(waitMs * 2, reopenMsMax);
        if (!(await pause(waitMs))) return answer;
      }
    },
    close(): void {
      clearInterval(heartbeat);
    },
  };
}

const streamHeaders = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
} as const;
