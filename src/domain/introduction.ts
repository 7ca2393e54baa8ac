import { type Member, memberOf, membersAt, objectText, stringOf, textOf } from './members.ts';
import type { ResponseMessage } from './message.ts';
import { sessionVersions, statelessVersion } from './method.ts';
import { statelessMeta } from './stateless-form.ts';

/**
 * What a server says about itself, from one era's first answer to the other's: `server/discover` of 2026-07-28, `initialize` before. Members
 * are carried as the server spelled them; what the other era has no word for, or what the bridge cannot carry, is left out, so that
 * clients do not ask for it.
 */

/** Server capabilities that a stateless client can use through the bridge. Tasks of 2025-11-25 are not carried. */
const forStateless: ReadonlySet<string> = new Set(['tools', 'prompts', 'resources', 'completions', 'logging', 'experimental']);

/** Those that a session client can: levels of logging are said per call in 2026-07-28, and extensions have methods of their own. */
const forSession: ReadonlySet<string> = new Set(['tools', 'prompts', 'resources', 'completions', 'experimental']);

/** The answer to `server/discover`, from the one to `initialize`. @param id as it is spelled */
export function discoverAnswer(initialized: ResponseMessage, id: string): Buffer {
  const { bytes } = initialized;
  const { serverInfo, instructions } = resultMembers(initialized);
  const members = [
    '"resultType":"complete"',
    `"supportedVersions":["${statelessVersion}"]`,
    `"capabilities":${capabilities(initialized, forStateless)}`,
    ...spelled(bytes, instructions),
    '"ttlMs":0',
    '"cacheScope":"private"',
    ...(serverInfo ? [`"_meta":{${JSON.stringify(statelessMeta.server)}:${textOf(bytes, serverInfo)}}`] : []),
  ];
  return answer(id, members);
}

/** The answer to `initialize`, from the one to `server/discover`. @param options.id as it is spelled */
export function initializeAnswer(
  discovered: ResponseMessage,
  options: { id: string; asked: string | undefined; upstream: string },
): Buffer {
  const { bytes } = discovered;
  const { instructions } = resultMembers(discovered);
  const server = memberOf(discovered, 'result', '_meta', statelessMeta.server);
  const known = server && membersAt(bytes, server.value.start);
  // Clients of sessions require a name and a version.
  const whole =
    known &&
    ['name', 'version'].every(
      (name) =>
        stringOf(
          bytes,
          known.find((member) => member.name === name),
        ) !== undefined,
    );
  return answer(options.id, [
    `"protocolVersion":"${sessionVersionFor(options.asked)}"`,
    `"capabilities":${capabilities(discovered, forSession)}`,
    `"serverInfo":${server && whole ? textOf(bytes, server) : JSON.stringify({ name: options.upstream, version: '0' })}`,
    ...spelled(bytes, instructions),
  ]);
}

/** What the client asked for where there is such a version, else the newest (lifecycle, version negotiation). */
function sessionVersionFor(asked: string | undefined): string {
  return sessionVersions.find((version) => version === asked) ?? '2025-11-25';
}

/** The version that the server chose, where it is one of those with sessions. */
export function negotiatedVersion(initialized: ResponseMessage): string | undefined {
  const chosen = stringOf(initialized.bytes, memberOf(initialized, 'result', 'protocolVersion'));
  return sessionVersions.find((version) => version === chosen);
}

/** Whether the answer to `server/discover` offers 2026-07-28. */
export function offersStateless(discovered: ResponseMessage): boolean {
  const versions = discovered.outcome === 'result' ? memberOf(discovered, 'result', 'supportedVersions') : undefined;
  return versions !== undefined && textOf(discovered.bytes, versions).includes(`"${statelessVersion}"`);
}

/** Whether a capability, or a member of one, stands there as true or as an object. */
export function hasCapability(introduced: ResponseMessage, ...path: readonly string[]): boolean {
  const member = memberOf(introduced, 'result', 'capabilities', ...path);
  return member !== undefined && /^(?:true$|\{)/.test(textOf(introduced.bytes, member));
}

function capabilities({ bytes, body }: ResponseMessage, carried: ReadonlySet<string>): string {
  const all = membersAt(bytes, body.start)?.find(({ name }) => name === 'capabilities');
  const members = (all && membersAt(bytes, all.value.start)) ?? [];
  const kept = members.filter(({ name }) => carried.has(name));
  if (carried === forStateless) return objectText(bytes, kept);
  // A session client's subscriptions to single resources are not carried (docs/bridge.md).
  const resources = kept.find(({ name }) => name === 'resources');
  const inside = (resources && membersAt(bytes, resources.value.start)) ?? [];
  const text = objectText(
    bytes,
    inside.filter(({ name }) => name !== 'subscribe'),
  );
  return objectText(
    bytes,
    kept.filter(({ name }) => name !== 'resources'),
    resources ? [`"resources":${text}`] : [],
  );
}

function resultMembers({ bytes, body }: ResponseMessage): Record<string, Member | undefined> {
  return Object.fromEntries((membersAt(bytes, body.start) ?? []).map((member) => [member.name, member]));
}

function spelled(bytes: Buffer, member: Member | undefined): string[] {
  return member ? [bytes.toString('utf8', member.span.start, member.span.end)] : [];
}

function answer(id: string, members: readonly string[]): Buffer {
  return Buffer.from(`{"jsonrpc":"2.0","id":${id},"result":{${members.join(',')}}}`);
}
