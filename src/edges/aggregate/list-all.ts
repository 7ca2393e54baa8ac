import { Denial } from '../../domain/denial.ts';
import { elementSpans, nextCursorOf, ttlMsOf } from '../../domain/listing.ts';
import type { RequestMessage, Scanned } from '../../domain/message.ts';
import type { ListMember } from '../../domain/method.ts';
import { scan } from '../../domain/scan.ts';
import { splice } from '../../domain/splice.ts';
import { answerAsOne, answerMerged, missingFrom, partialMeta } from './answer-merged.ts';
import { askMembers, type MemberAnswer, type Missing } from './ask-members.ts';
import type { Gathering } from './gathering.ts';

/** Where each member that has more goes on, by its own cursor. */
type Cursors = Readonly<Record<string, string>>;

/** A sealed text that is longer could not be opened again (domain/seal.ts); sealing makes four thirds of it. */
const cursorsCharsMax = 5_500;

/**
 * One page of a list, put together from one page of each member in configuration order. The next page asks those that have more, each with
 * its own cursor; the client holds them all in one, sealed to its key, path and method. What the stages filtered and prefixed stays as it
 * is, byte for byte.
 */
export async function listAll(gathering: Gathering, message: RequestMessage, member: ListMember | 'tasks'): Promise<void> {
  const cursors = openCursors(gathering, message);
  const asked = cursors ? gathering.members.filter(({ name }) => Object.hasOwn(cursors, name)) : gathering.members;
  if (cursors && asked.length === 0)
    throw new Denial('INVALID_MESSAGE', { detail: 'None of the upstreams that have more is here any more.' });
  const answers = await askMembers(gathering, asked, ({ name }) =>
    cursors ? { scanned: withCursor(gathering, message, cursors[name] ?? '') } : {},
  );
  const lost = answers.find(({ reason }) => reason === 'SESSION_NOT_FOUND');
  // Transports, session management: the client has to begin a new session, and all of it.
  if (lost) return answerAsOne(gathering, [lost]);
  if (!answers.some(({ result }) => result)) return answerAsOne(gathering, answers);
  answerMerged(gathering, message, { result: merge(gathering, { answers, member, method: message.method }) });
}

function merge(
  gathering: Gathering,
  { answers, member, method }: { answers: readonly MemberAnswer[]; member: ListMember | 'tasks'; method: string },
): (string | Buffer)[] {
  const { answerBytesMax } = gathering.request.policy.limits;
  const missing: Missing[] = missingFrom(gathering, answers);
  const pieces: (string | Buffer)[] = [`{${JSON.stringify(member)}:[`];
  const next: Record<string, string> = {};
  let bytes = 0;
  let ttlMs = Number.POSITIVE_INFINITY;
  let separator = '';
  for (const { upstream, result } of answers) {
    if (!result) continue;
    bytes += result.bytes.length;
    const cursor = nextCursorOf(result);
    if (bytes > answerBytesMax || JSON.stringify({ ...next, [upstream]: cursor }).length > cursorsCharsMax) {
      missing.push({ upstream, reason: 'MESSAGE_TOO_LARGE' });
      continue;
    }
    if (cursor !== undefined) next[upstream] = cursor;
    ttlMs = Math.min(ttlMs, ttlMsOf(result) ?? 0);
    for (const span of elementSpans(result, member)) {
      pieces.push(separator, result.bytes.subarray(span.start, span.end));
      separator = ',';
    }
  }
  const more = Object.keys(next).length === 0 ? {} : { nextCursor: sealCursors(gathering, method, next) };
  const meta = missing.length === 0 ? {} : { _meta: partialMeta(missing) };
  // What is missing may be there in a moment: such a list is not kept.
  const caching = {
    resultType: 'complete',
    ttlMs: missing.length > 0 || ttlMs === Number.POSITIVE_INFINITY ? 0 : ttlMs,
    cacheScope: 'private',
  };
  const rest = JSON.stringify({ ...more, ...(gathering.era === 'stateless' && caching), ...meta });
  return [...pieces, rest === '{}' ? ']}' : `],${rest.slice(1)}`];
}

/** The key alone may go on with what it began, at this path and with this method. */
function boundOf({ request, endpoint }: Gathering, method: string): string[] {
  const place = endpoint.kind === 'upstream' ? endpoint.upstream : `${endpoint.kind}:${endpoint.kind === 'all' ? '' : endpoint.id}`;
  return [request.caller.key.id, place, method];
}

function sealCursors(gathering: Gathering, method: string, cursors: Cursors): string {
  return gathering.ports.seal.seal({ purpose: 'cursor', bound: boundOf(gathering, method), plain: JSON.stringify(cursors) });
}

function openCursors(gathering: Gathering, { params, method }: RequestMessage): Cursors | undefined {
  if (params.cursor === undefined) return undefined;
  const plain = gathering.ports.seal.open({ purpose: 'cursor', bound: boundOf(gathering, method), sealed: params.cursor });
  if (plain === undefined) throw new Denial('INVALID_MESSAGE', { detail: 'The cursor is not of this list and key.' });
  return JSON.parse(plain) as Cursors;
}

/** The client's request with the member's own cursor in place of the merged one: every other byte stays, and it is scanned again (I4). */
function withCursor({ request }: Gathering, message: RequestMessage, cursor: string): Scanned {
  const { jsonDepthMax, jsonNodesMax } = request.policy.limits;
  const { cursorSpan } = message.params;
  if (!cursorSpan) throw new Error('a cursor was read that stands nowhere');
  const bytes = splice(message.bytes, [{ span: cursorSpan, text: JSON.stringify(cursor) }]);
  return scan(bytes, { depthMax: jsonDepthMax, nodesMax: jsonNodesMax });
}
