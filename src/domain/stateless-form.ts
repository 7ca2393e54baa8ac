import { memberOf, membersAt, objectText, stringOf } from './members.ts';
import type { Message, MessageId, NotificationMessage, RequestMessage } from './message.ts';
import { scan } from './scan.ts';
import { splice } from './splice.ts';

/** Members of a request's `_meta` that only 2026-07-28 knows. Others, such as `progressToken` and `traceparent`, belong to both eras. */
export const statelessMeta = {
  version: 'io.modelcontextprotocol/protocolVersion',
  capabilities: 'io.modelcontextprotocol/clientCapabilities',
  client: 'io.modelcontextprotocol/clientInfo',
  logLevel: 'io.modelcontextprotocol/logLevel',
  server: 'io.modelcontextprotocol/serverInfo',
  subscription: 'io.modelcontextprotocol/subscriptionId',
} as const;

/** What was spliced was scanned before, within the limits of the configuration: what was added is all that can be wrong with it. */
const splicedLimits = { depthMax: 1_024, nodesMax: 8_000_000, loneSurrogates: true } as const;

/** The message that spliced bytes are. @throws Error where they are another than what was meant: a fault */
export function rescan<Kind extends Message['kind']>(bytes: Buffer, { kind, id }: { kind: Kind; id?: MessageId | null }) {
  const scanned = scan(bytes, splicedLimits);
  if (!scanned.ok || scanned.message.kind !== kind) throw new Error(`a spliced ${kind} no longer scans`);
  if (id !== undefined && !('id' in scanned.message && scanned.message.id === id)) throw new Error(`a spliced ${kind} has another id`);
  return scanned.message as Extract<Message, { kind: Kind }>;
}

/**
 * A session client's request or notification as 2026-07-28 has it: with the members of `_meta` that say what the session said once
 * (basic, per-request metadata). Those that stand there already are the client's claim, and give way.
 * @param own `"name":value` texts of the members that go in
 */
export function asStateless<M extends RequestMessage | NotificationMessage>(message: M, own: readonly string[]): M {
  const { bytes } = message;
  const taken: ReadonlySet<string> = new Set([statelessMeta.version, statelessMeta.capabilities, statelessMeta.client]);
  const params = memberOf(message, 'params');
  const meta = memberOf(message, 'params', '_meta');
  const kept = meta ? (membersAt(bytes, meta.value.start) ?? []).filter(({ name }) => !taken.has(name)) : [];
  const text = objectText(bytes, kept, own);
  const spliced = splice(bytes, [edit()]);
  return rescan(spliced, { kind: message.kind, ...('id' in message ? { id: message.id } : {}) }) as M;

  function edit() {
    if (meta) return { span: meta.value, text };
    if (params) {
      const inside = params.value.start + 1;
      const others = (membersAt(bytes, params.value.start)?.length ?? 0) > 0;
      return { span: { start: inside, end: inside }, text: `"_meta":${text}${others ? ',' : ''}` };
    }
    const [first] = membersAt(bytes, 0) ?? [];
    const start = first?.span.start ?? 1;
    return { span: { start, end: start }, text: `"params":{"_meta":${text}},` };
  }
}

/** A `resultType` other than `complete` (2026-07-28, multi round trips and tasks): what no session client can read. */
export function unfinishedType(message: Pick<Message, 'bytes'>): string | undefined {
  const member = memberOf(message, 'result', 'resultType');
  const type = stringOf(message.bytes, member) ?? 'unknown';
  return member === undefined || type === 'complete' ? undefined : type.slice(0, 64);
}
