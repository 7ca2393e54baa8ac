import { type Member, memberOf, membersAt, objectText, stringOf, textOf } from './members.ts';
import type { MessageId, NotificationMessage, RequestMessage, ResponseMessage } from './message.ts';
import { splice } from './splice.ts';
import { rescan, statelessMeta } from './stateless-form.ts';

const logLevels = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'] as const;
export type LogLevel = (typeof logLevels)[number];

/** What a stateless request says in `_meta` beside its call. */
export interface CallWishes {
  /** Log messages are wanted from this level on; none are where it is absent (2026-07-28, logging). */
  readonly logLevel?: LogLevel;
  /** The client's own progress token, as it is spelled. */
  readonly progressToken?: string;
}

export function wishesOf(message: RequestMessage): CallWishes {
  const level = stringOf(message.bytes, memberOf(message, 'params', '_meta', statelessMeta.logLevel));
  const token = memberOf(message, 'params', '_meta', 'progressToken');
  const known = logLevels.find((name) => name === level);
  return { ...(known && { logLevel: known }), ...(token && { progressToken: textOf(message.bytes, token) }) };
}

/**
 * A stateless request as a session server takes it: under an id of the session's own, since many callers share the session, without the
 * members of `_meta` that 2026-07-28 added, and with that id for a progress token.
 */
export function asSessionRequest(message: RequestMessage, id: number): RequestMessage {
  const { bytes, idSpan } = message;
  const added: ReadonlySet<string> = new Set(Object.values(statelessMeta));
  const meta = memberOf(message, 'params', '_meta');
  const members = meta && membersAt(bytes, meta.value.start);
  const edits = [{ span: idSpan, text: String(id) }];
  if (meta && members) {
    const kept = members.filter(({ name }) => !added.has(name) && name !== 'progressToken');
    const token = members.some(({ name }) => name === 'progressToken') ? [`"progressToken":${id}`] : [];
    edits.push({ span: meta.value, text: objectText(bytes, kept, token) });
  }
  return rescan(splice(bytes, edits), { kind: 'request', id });
}

/** Methods whose results must say how long and by whom they may be kept (2026-07-28, caching). */
const cached: ReadonlySet<string> = new Set([
  'server/discover',
  'tools/list',
  'prompts/list',
  'resources/list',
  'resources/templates/list',
  'resources/read',
]);

/**
 * A session server's answer as 2026-07-28 has it: with the client's own id, complete, and kept by nobody else. Session servers say nothing
 * about how long an answer holds, so it holds for no time.
 * @param options.id the client's own id, as it is spelled
 */
export function asStatelessAnswer(answer: ResponseMessage, { id, method }: { id: string; method: string }): Buffer {
  const edits = [{ span: answer.idSpan, text: id }];
  const members = answer.outcome === 'result' ? membersAt(answer.bytes, answer.body.start) : undefined;
  if (members) {
    const text = objectText(
      answer.bytes,
      members.filter(({ name }) => name !== 'resultType'),
      ['"resultType":"complete"', ...(cached.has(method) ? cachingTexts(members) : [])],
    );
    edits.push({ span: answer.body, text });
  }
  const spliced = splice(answer.bytes, edits);
  rescan(spliced, { kind: 'response', id: JSON.parse(id) as MessageId });
  return spliced;
}

function cachingTexts(members: readonly Member[]): string[] {
  const has = (name: string) => members.some((member) => member.name === name);
  return [...(has('ttlMs') ? [] : ['"ttlMs":0']), ...(has('cacheScope') ? [] : ['"cacheScope":"private"'])];
}

/** A progress notification with the client's own token again; undefined where it carries another than this call's. */
export function withToken(
  note: NotificationMessage,
  { id, progressToken }: { id: number; progressToken: string | undefined },
): Buffer | undefined {
  const token = memberOf(note, 'params', 'progressToken');
  if (!token || progressToken === undefined || textOf(note.bytes, token) !== String(id)) return undefined;
  return splice(note.bytes, [{ span: token.value, text: progressToken }]);
}

/** A change notification as one subscription's own (2026-07-28, subscriptions): `_meta` names the request that asked for it. */
export function stamped(note: NotificationMessage, subscriptionId: string): Buffer {
  const { bytes } = note;
  const own = `${JSON.stringify(statelessMeta.subscription)}:${subscriptionId}`;
  const params = memberOf(note, 'params');
  if (!params) {
    const [first] = membersAt(bytes, 0) ?? [];
    const at = first?.span.start ?? 1;
    return splice(bytes, [{ span: { start: at, end: at }, text: `"params":{"_meta":{${own}}},` }]);
  }
  const meta = memberOf(note, 'params', '_meta');
  const kept = (meta && membersAt(bytes, meta.value.start)) ?? [];
  const others = (membersAt(bytes, params.value.start) ?? []).filter(({ name }) => name !== '_meta');
  const metaText = objectText(
    bytes,
    kept.filter(({ name }) => name !== statelessMeta.subscription),
    [own],
  );
  return splice(bytes, [{ span: params.value, text: objectText(bytes, others, [`"_meta":${metaText}`]) }]);
}
