import {
  type Greeting,
  lowestVersion,
  mergeCapabilities,
  mergeInstructions,
  sharedVersions,
  versionOf,
} from '../../domain/merge-greetings.ts';
import type { RequestMessage } from '../../domain/message.ts';
import { statelessVersion } from '../../domain/method.ts';
import { writeBundle } from '../../domain/session-bundle.ts';
import { answerAsOne, answerMerged, missingFrom, partialMeta } from './answer-merged.ts';
import { askMembers, type MemberAnswer } from './ask-members.ts';
import type { Gathering } from './gathering.ts';

const identity = { name: 'keygate', version: '1' };

/**
 * Initialize at a path over several upstreams: all are initialized at once, and those that answer in time make up the session. Its id holds
 * theirs, each sealed by the stages, so any replica can serve it (I9).
 */
export async function initializeAll(gathering: Gathering, message: RequestMessage): Promise<void> {
  const answers = await askMembers(gathering, gathering.members);
  const greetings = answers.flatMap(greetingOf);
  const protocolVersion = lowestVersion(greetings);
  if (protocolVersion === undefined) return answerAsOne(gathering, answers);
  const missing = missingFrom(gathering, answers);
  const instructions = mergeInstructions(greetings);
  const result = {
    protocolVersion,
    capabilities: mergeCapabilities(greetings),
    serverInfo: identity,
    ...(instructions !== undefined && { instructions }),
    ...(missing.length > 0 && { _meta: partialMeta(missing) }),
  };
  const bundle = new Map(
    answers.flatMap((answered) => {
      if (!answered.result) return [];
      const sealed = answered.answer.headers['mcp-session-id'];
      const [greeting] = greetingOf(answered);
      return [[answered.upstream, { version: versionOf(greeting?.result), sealed: typeof sealed === 'string' ? sealed : '' }] as const];
    }),
  );
  answerMerged(gathering, message, { result: [JSON.stringify(result)], headers: { 'mcp-session-id': writeBundle(bundle) } });
}

/** The same for the era without sessions (2026-07-28): what all that answer have in common, and what any of them can. */
export async function discoverAll(gathering: Gathering, message: RequestMessage): Promise<void> {
  const answers = await askMembers(gathering, gathering.members);
  const greetings = answers
    .flatMap(greetingOf)
    .filter(({ result }) => sharedVersions([{ upstream: '', result }]).includes(statelessVersion));
  if (greetings.length === 0) return answerAsOne(gathering, answers);
  const missing = missingFrom(gathering, answers);
  const instructions = mergeInstructions(greetings);
  const result = {
    resultType: 'complete',
    supportedVersions: sharedVersions(greetings),
    capabilities: mergeCapabilities(greetings),
    ...(instructions !== undefined && { instructions }),
    ttlMs: missing.length > 0 ? 0 : Math.min(...greetings.map(({ result }) => ttlOf(result))),
    cacheScope: 'private',
    _meta: { 'io.modelcontextprotocol/serverInfo': identity, ...partialMeta(missing) },
  };
  answerMerged(gathering, message, { result: [JSON.stringify(result)] });
}

function greetingOf({ upstream, result }: MemberAnswer): Greeting[] {
  if (!result) return [];
  return [{ upstream, result: JSON.parse(result.bytes.toString('utf8', result.body.start, result.body.end)) as unknown }];
}

function ttlOf(result: unknown): number {
  const ttlMs = typeof result === 'object' && result !== null && 'ttlMs' in result ? result.ttlMs : 0;
  return typeof ttlMs === 'number' && ttlMs > 0 ? ttlMs : 0;
}
