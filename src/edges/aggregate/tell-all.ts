import { Denial } from '../../domain/denial.ts';
import type { RequestMessage, ResponseMessage } from '../../domain/message.ts';
import { refuseDead } from '../../stages/authenticate.ts';
import { failClosed } from '../../stages/fail-closed.ts';
import { answerAsOne, answerMerged, missingFrom, partialMeta } from './answer-merged.ts';
import { askMembers, captureInTime } from './ask-members.ts';
import type { Gathering } from './gathering.ts';

/** A notification, or the end of a session: every member gets it, and it was taken where one of them took it. */
export async function tellAll(gathering: Gathering): Promise<void> {
  const { request, members, sessionHeaders } = gathering;
  const answers = await Promise.all(members.map((member) => captureInTime(gathering, member)));
  const taken = answers.some(({ answer }) => answer.status !== undefined && answer.status < 300);
  if (!taken) return answerAsOne(gathering, answers);
  if (request.reply.closed) return;
  // Transports: 202 for accepted notifications; the end of a session is a plain 200.
  request.reply.head(request.verb === 'DELETE' ? 200 : 202, { 'content-length': '0', ...(request.verb !== 'DELETE' && sessionHeaders) });
  request.reply.end();
}

/** logging/setLevel: for all that log. The empty result stands for those that took it. */
export async function setLevelOfAll(gathering: Gathering, message: RequestMessage): Promise<void> {
  const answers = await askMembers(gathering, gathering.members);
  if (!answers.some(({ result }) => result)) return answerAsOne(gathering, answers);
  const missing = missingFrom(gathering, answers);
  answerMerged(gathering, message, { result: [JSON.stringify(missing.length === 0 ? {} : { _meta: partialMeta(missing) })] });
}

/** A ping asks whether the other side is there, and that is this gateway. The key is proven live by its newest record, as for every ping (I1). */
export async function answerPing(gathering: Gathering, message: RequestMessage): Promise<void> {
  const { ports, request } = gathering;
  const caller = await failClosed(ports.callers.again(request.caller));
  if (!caller) throw new Denial('TOKEN_INVALID');
  refuseDead(caller, ports.clock.now());
  if (!caller.admitsAddress(request.address)) throw new Denial('ADDRESS_NOT_ALLOWED');
  answerMerged(gathering, message, { result: ['{}'] });
}

/** A client's response goes to the member whose request it answers: only its own sealed id opens. @throws Denial INVALID_MESSAGE */
export function passResponse(gathering: Gathering, message: ResponseMessage): Promise<void> {
  const id = typeof message.id === 'string' ? message.id : '';
  const member = gathering.members.find((each) => gathering.open(each, 'request', id) !== undefined);
  if (!member) throw new Denial('INVALID_MESSAGE', { detail: 'This response answers no request of this session.' });
  return gathering.pass(member);
}
