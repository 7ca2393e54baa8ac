import type { Member } from './members.ts';
import { memberOf, membersAt, objectText, stringOf } from './members.ts';
import type { RequestMessage } from './message.ts';
import { statelessVersion } from './method.ts';
import { statelessMeta } from './stateless-form.ts';

/**
 * A session that there is no table for: its id says what 2026-07-28 wants with every request and a session client says but once. The id is
 * sealed on its way to the client like every session id, so nobody else can make one, and any replica can read it (I9).
 */
export interface BridgedSession {
  /** Tells sessions of one key apart. */
  readonly nonce: string;
  /** The client's `clientInfo` and what is left of its `capabilities`, as JSON text. */
  readonly client: string;
  readonly capabilities: string;
}

const mark = 'keygate-bridge-1:';

/** The id goes with every request in a header, sealed at a third more than this. */
const sessionBytesMax = 3_000;

/** What servers may ask of clients cannot be carried to a session client: none of it is promised (docs/bridge.md). */
const unserved: ReadonlySet<string> = new Set(['sampling', 'elicitation', 'roots', 'tasks']);

/** What an initialize says about its client. Members that are too long to go with every request are left out. */
export function openBridgedSession(initialize: RequestMessage, nonce: string): string {
  const { bytes } = initialize;
  const info = memberOf(initialize, 'params', 'clientInfo');
  const members = ((info && membersAt(bytes, info.value.start)) ?? []).filter(({ name }) => ['name', 'title', 'version'].includes(name));
  const whole = ['name', 'version'].every((name) => isString(bytes, members, name));
  const declared = memberOf(initialize, 'params', 'capabilities');
  const kept = ((declared && membersAt(bytes, declared.value.start)) ?? []).filter(({ name }) => !unserved.has(name));
  const client = whole ? objectText(bytes, members) : anonymous;
  const full = encode({ nonce, client, capabilities: objectText(bytes, kept) });
  if (Buffer.byteLength(full) <= sessionBytesMax) return full;
  const named = encode({ nonce, client, capabilities: '{}' });
  return Buffer.byteLength(named) <= sessionBytesMax ? named : encode({ nonce, client: anonymous, capabilities: '{}' });
}

/** What an id says, or undefined where it is a server's own. */
export function readBridgedSession(id: string | undefined): BridgedSession | undefined {
  if (!id?.startsWith(mark)) return undefined;
  const [nonce, client, capabilities] = JSON.parse(id.slice(mark.length)) as [string, string, string];
  return { nonce, client, capabilities };
}

/** For a client that began without initialize: it has said nothing about itself. */
export const noSession: BridgedSession = { nonce: '', client: JSON.stringify({ name: 'keygate', version: '1' }), capabilities: '{}' };

const anonymous = noSession.client;

/** `"name":value` texts of what each request must say (2026-07-28, per-request metadata). */
export function metaTexts({ client, capabilities }: BridgedSession): string[] {
  return [
    `${JSON.stringify(statelessMeta.version)}:"${statelessVersion}"`,
    `${JSON.stringify(statelessMeta.capabilities)}:${capabilities}`,
    `${JSON.stringify(statelessMeta.client)}:${client}`,
  ];
}

function encode({ nonce, client, capabilities }: BridgedSession): string {
  return mark + JSON.stringify([nonce, client, capabilities]);
}

function isString(bytes: Buffer, members: readonly Member[], name: string): boolean {
  return (
    stringOf(
      bytes,
      members.find((member) => member.name === name),
    ) !== undefined
  );
}
