import { createEventReader, writeEvent } from '../../domain/events.ts';
import type { NotificationMessage, RequestMessage } from '../../domain/message.ts';
import type { UpstreamPolicy } from '../../domain/policy.ts';
import { scanAnswer } from '../../stages/read-answer.ts';
import type { CapturedAnswer, CapturedReply } from '../captured-reply.ts';
import { eventOf } from '../captured-reply.ts';
import { mergeFilters } from './acknowledged.ts';
import { answerAsOne, missingFrom, partialMeta } from './answer-merged.ts';
import type { Gathering } from './gathering.ts';

const acknowledged = 'notifications/subscriptions/acknowledged';

/** One member's share of the stream. */
interface Share {
  readonly upstream: string;
  readonly captured: CapturedReply;
  /** What it agreed to tell, as its acknowledgement said; undefined until then. */
  agreed?: NotificationMessage;
  /** Of what it said before all had agreed. */
  earlyChars: number;
  ended?: CapturedAnswer;
}

/**
 * subscriptions/listen at a path over several upstreams (2026-07-28): all are listened to. Their acknowledgements become one, as soon as all have
 * given theirs or their time is over; who has not by then is broken off and named in it. The stream ends when the last member's has.
 */
export async function listenAll(gathering: Gathering, message: RequestMessage): Promise<void> {
  const { request, members } = gathering;
  const { reply, policy } = request;
  const { promise: settled, resolve: settle } = Promise.withResolvers<void>();
  const shares: Share[] = [];
  const early: string[] = [];
  let opened = false;
  const look = () => {
    if (shares.length === members.length && shares.every(({ agreed, ended }) => agreed ?? ended)) settle();
  };
  const heard = (upstream: string, text: string): boolean => {
    const share = shares.find((each) => each.upstream === upstream);
    const said = scanAnswer(Buffer.from(text));
    if (said?.kind === 'notification' && said.method === acknowledged) {
      if (share) share.agreed ??= said;
      look();
      return true;
    }
    // A member's answer says that its share has ended (subscriptions, graceful close): the others go on.
    if (said?.kind === 'response') return true;
    if (opened) return reply.write(writeEvent({ text }));
    // What comes before the acknowledgement waits for it; who says more than one event may hold is not waited for.
    if (share) share.earlyChars += text.length;
    if (share && share.earlyChars > policy.limits.eventBytesMax) share.captured.abandon();
    else early.push(text);
    return true;
  };
  for (const member of members) shares.push(createShare(gathering, member, heard));
  const ends = shares.map(async (share) => {
    share.ended = await share.captured.ended;
    look();
    return share.ended;
  });
  look();
  const late = setTimeout(settle, policy.limits.aggregateMemberMs);
  await settled;
  clearTimeout(late);
  const agreed = shares.filter((share) => share.agreed);
  for (const share of shares) if (!share.agreed) share.captured.abandon();
  if (agreed.length === 0)
    return answerAsOne(
      gathering,
      (await Promise.all(ends)).map((answer) => ({ answer, reason: 'UPSTREAM_FAILED' as const })),
    );
  if (reply.closed) return;
  opened = true;
  reply.head(200, streamHeaders, true);
  reply.write(writeEvent({ text: acknowledgement(gathering, message, shares) }));
  for (const text of early.splice(0)) reply.write(writeEvent({ text }));
  const heartbeat = setInterval(() => reply.write(': keepalive\n\n'), policy.limits.heartbeatMs);
  await Promise.all(ends);
  clearInterval(heartbeat);
  if (reply.closed) return;
  const meta = { 'io.modelcontextprotocol/subscriptionId': message.id };
  reply.write(eventOf(Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: message.id, result: { resultType: 'complete', _meta: meta } }))));
  reply.end();
}

function createShare(gathering: Gathering, member: UpstreamPolicy, heard: (upstream: string, text: string) => boolean): Share {
  const reader = createEventReader(gathering.request.policy.limits.eventBytesMax * 2 + 16_384);
  const captured = gathering.capture(member, {
    onEvents(chunk) {
      let ready = true;
      for (const { text } of reader.push(Buffer.from(chunk))) if (text) ready = heard(member.name, text) && ready;
      return ready;
    },
  });
  return { upstream: member.name, captured, earlyChars: 0 };
}

function acknowledgement(gathering: Gathering, message: RequestMessage, shares: readonly Share[]): string {
  const failed = shares.flatMap(({ upstream, agreed, ended }) => {
    const reason = ended ? ('UPSTREAM_FAILED' as const) : ('UPSTREAM_TIMEOUT' as const);
    return agreed ? [] : [{ upstream, reason, answer: ended ?? { status: undefined, headers: {}, body: Buffer.alloc(0), whole: false } }];
  });
  const params = {
    notifications: mergeFilters(shares.flatMap(({ agreed }) => (agreed ? [agreed] : []))),
    _meta: { 'io.modelcontextprotocol/subscriptionId': message.id, ...partialMeta(missingFrom(gathering, failed)) },
  };
  return JSON.stringify({ jsonrpc: '2.0', method: acknowledged, params });
}

const streamHeaders = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
} as const;
