import { Denial, type Reason } from '../../domain/denial.ts';
import type { RequestMessage } from '../../domain/message.ts';
import type { MemberAnswer, Missing } from './ask-members.ts';
import type { Gathering } from './gathering.ts';

/** The members whose share is missing from a merged answer, those that the session was begun without among them. */
export function missingFrom({ absent }: Gathering, answers: readonly MemberAnswer[]): Missing[] {
  const failed = answers.flatMap(({ upstream, reason }) => (reason === undefined ? [] : [{ upstream, reason }]));
  return [...failed, ...absent.map(({ name }) => ({ upstream: name, reason: 'SESSION_NOT_FOUND' as const }))];
}

/** `_meta` of a merged result, where something is missing from it. */
export function partialMeta(missing: readonly Missing[]): { 'keygate/partial': readonly Missing[] } | Record<string, never> {
  return missing.length === 0 ? {} : { 'keygate/partial': missing };
}

/** Answers the client with a result that was put together here. @param result JSON text, in pieces */
export function answerMerged(
  { request, era, sessionHeaders }: Gathering,
  message: RequestMessage,
  { result, headers = {} }: { result: readonly (string | Buffer)[]; headers?: Readonly<Record<string, string>> },
): void {
  const { reply } = request;
  if (reply.closed) return;
  const pieces = [`{"jsonrpc":"2.0","id":${JSON.stringify(message.id)},"result":`, ...result, '}'];
  const body = Buffer.concat(pieces.map((piece) => (typeof piece === 'string' ? Buffer.from(piece) : piece)));
  reply.head(200, {
    'content-type': 'application/json',
    'content-length': String(body.length),
    'cache-control': era === 'stateless' ? 'no-store, private' : 'no-store',
    ...sessionHeaders,
    ...headers,
  });
  reply.end(body);
}

/**
 * Where no member gave a result, the client hears what the first of them said, as it would at that one's own path; of those that have no such
 * method, only where all have none. @throws Denial UPSTREAM_TIMEOUT where that one said nothing
 */
export function answerAsOne(
  { request, sessionHeaders }: Gathering,
  answers: readonly (Pick<MemberAnswer, 'answer'> & { reason?: Reason })[],
): void {
  const { reply } = request;
  if (reply.closed) return;
  const heard = answers.filter(({ answer }) => answer.status !== undefined && answer.whole);
  const { answer } = heard.find(({ reason }) => reason !== undefined) ?? heard[0] ?? {};
  if (answer?.status === undefined) throw new Denial('UPSTREAM_TIMEOUT', { facts: { outcome: 'unknown' } });
  const { 'mcp-session-id': _own, ...headers } = answer.headers;
  reply.head(answer.status, { ...headers, ...sessionHeaders });
  reply.end(answer.body);
}
