import { denialTable, type Reason } from '../../domain/denial.ts';
import { createEventReader } from '../../domain/events.ts';
import type { MessageId, ResponseMessage } from '../../domain/message.ts';
import type { UpstreamPolicy } from '../../domain/policy.ts';
import { isAnswerTo, scanAnswer } from '../../stages/read-answer.ts';
import type { CapturedAnswer } from '../captured-reply.ts';
import type { Gathering, Part } from './gathering.ts';

/** What one member answered, within its time. */
export interface MemberAnswer {
  readonly upstream: string;
  readonly answer: CapturedAnswer;
  /** The result it gave; absent where it gave none. */
  readonly result?: ResponseMessage;
  /** Why there is no result; absent where there is one, and where the member has no such method, which is nothing amiss. */
  readonly reason?: Reason;
}

/** A member whose share is missing from an answer, as the client sees it in `_meta["keygate/partial"]`. */
export interface Missing {
  readonly upstream: string;
  readonly reason: Reason;
}

/** JSON-RPC 2.0, section 5.1: method not found. */
const methodNotFound = -32_601;

/**
 * Hands the client's request to several members at once, each in its own record and session, and waits for each no longer than
 * `limits.aggregateMemberMs`: a slow one is broken off and missing, and holds nobody. In the order of the members.
 * @param part what differs for a member from what the client sent
 */
export function askMembers(
  gathering: Gathering,
  members: readonly UpstreamPolicy[],
  part: (member: UpstreamPolicy) => Part = () => ({}),
): Promise<MemberAnswer[]> {
  return Promise.all(members.map((member) => askMember(gathering, member, part(member))));
}

async function askMember(gathering: Gathering, member: UpstreamPolicy, part: Part): Promise<MemberAnswer> {
  const { request } = gathering;
  const { answer, late } = await captureInTime(gathering, member, part);
  const upstream = member.name;
  if (late) return { upstream, answer, reason: 'UPSTREAM_TIMEOUT' };
  const message = answerOf(answer, request, request.policy.limits.eventBytesMax);
  if (message?.outcome === 'result') return { upstream, answer, result: message };
  if (message?.errorCode === methodNotFound) return { upstream, answer };
  return { upstream, answer, reason: (message && reasonOf(message)) ?? 'UPSTREAM_FAILED' };
}

/** One member's answer, or what there was of it when its time was over. */
export async function captureInTime(
  gathering: Gathering,
  member: UpstreamPolicy,
  part: Part = {},
): Promise<{ answer: CapturedAnswer; late: boolean }> {
  const { ports, request } = gathering;
  const captured = gathering.capture(member, {}, part);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    ports.log.warn('an upstream did not answer in time and is left out', { upstream: member.name, requestId: request.requestId });
    captured.abandon();
  }, request.policy.limits.aggregateMemberMs);
  const answer = await captured.ended;
  clearTimeout(timer);
  return { answer, late };
}

/** The answer to this request, of whatever form; undefined where there is none. */
function answerOf({ headers, body }: CapturedAnswer, request: Gathering['request'], eventBytesMax: number): ResponseMessage | undefined {
  const { scanned } = request;
  const id = scanned?.ok && scanned.message.kind === 'request' ? scanned.message.id : null;
  if (id === null) return undefined;
  const type = String(headers['content-type'] ?? '');
  if (!type.startsWith('text/event-stream')) return responseTo(body, id);
  for (const { text } of createEventReader(eventBytesMax + body.length).push(body)) {
    const answer = text ? responseTo(Buffer.from(text), id) : undefined;
    if (answer) return answer;
  }
  return undefined;
}

function responseTo(bytes: Buffer, id: MessageId): ResponseMessage | undefined {
  const message = bytes.length === 0 ? undefined : scanAnswer(bytes);
  return isAnswerTo(message, id) ? message : undefined;
}

/** The gateway's own reason, where the error is a refusal of its. */
function reasonOf({ bytes, body }: ResponseMessage): Reason | undefined {
  const error = JSON.parse(bytes.toString('utf8', body.start, body.end)) as { data?: { reason?: unknown } | null };
  const reason = error.data?.reason;
  return typeof reason === 'string' && Object.hasOwn(denialTable, reason) ? (reason as Reason) : undefined;
}
