import type { KeyRecord } from '../domain/key.ts';
import type { Actor } from '../ports/keyring.ts';
import type { Authority } from './authority.ts';
import { composeRecord } from './compose-record.ts';
import { confinedProblems, confinedRequest, holderProblems } from './confine.ts';
import { inherited, type Line, lineOfParent, wideningsOf } from './descent.ts';
import { guardFindings, heedFindings, type Warnings } from './guard-findings.ts';
import { judgeMint } from './judge-mint.ts';
import { findKey } from './list.ts';
import { type MintRequest, mintRequestSchema } from './mint-request.ts';
import { parseRequest, type RequestProblem, RequestProblems } from './problems.ts';
import { type KeyView, viewKey } from './view.ts';

/** A new key. `key` is the only copy of its text that will ever exist. */
export interface Minted extends Warnings {
  readonly key: string;
  readonly record: KeyView;
}

/**
 * Makes a key and stores it, journalled in the same commit. With `parentId` it is a child: what it leaves out it has from its parent,
 * and it must be within it and every key above (I7).
 * @param request the body of `POST /keys/mint`, not yet checked
 * @param by who asks, for the journal; with an `orgId` the key can only belong to that organisation
 * @param options.holder an agent's or bot's key that asks on its own authority: the new key is never wider than it
 * @throws RequestProblems with everything that is wrong with the request; nothing is stored then
 */
export async function mint(
  authority: Authority,
  request: MintRequest | unknown,
  by: Actor,
  options: { holder?: KeyRecord } = {},
): Promise<Minted> {
  const { holder } = options;
  const line = await readLine(authority, request, { by, holder });
  const from = line?.[0] ?? holder;
  const confined = confinedRequest(request, by);
  const terms = parseRequest(mintRequestSchema, from === undefined ? confined : inherited(confined, from));
  const above = [...(line ?? []), ...(holder === undefined ? [] : [holder])];
  const judgement = await judgeMint(authority, terms, { notAfter: earliestEnd(above) });
  const { key, record } = await composeRecord(authority, judgement, line?.map(({ id }) => id) ?? []);
  const lifePath = terms.expires_days === undefined ? 'ttl' : 'expires_days';
  const wider = wideningsOf(authority, record, above).map(({ path, message }) => ({
    path: path === 'expiresAt' ? lifePath : path,
    message,
  }));
  const problems = [...judgement.problems];
  // What is wrong in itself is told once.
  const confinement = await confinedProblems(authority, record, by);
  const asked = [...confinement, ...holderProblems(record, holder), ...agentProblems(record, { by, line })];
  for (const problem of [...wider, ...asked]) {
    if (!problems.some(({ path }) => path === problem.path)) problems.push(problem);
  }
  if (problems.length > 0) throw new RequestProblems(problems);

  const warned = heedFindings(authority, await guardFindings(authority, record, { ancestors: line ?? [] }));
  await authority.keyring.insert(record, by);
  return { key, record: viewKey(record, authority.clock.now()), ...warned };
}

/**
 * Mints a child of a key. @throws NotFound where there is no such parent, RequestProblems as `mint` does
 * @param request the body of `POST /keys/{id}/children`
 */
export async function mintChild(authority: Authority, parentId: string, request: MintRequest | unknown, by: Actor): Promise<Minted> {
  const { id } = await findKey(authority, parentId, by);
  if (typeof request !== 'object' || request === null || Array.isArray(request)) return await mint(authority, request, by);
  const named = (request as { parentId?: unknown }).parentId;
  if (named !== undefined && named !== id) throw new RequestProblems([{ path: 'parentId', message: 'names another parent' }]);
  return await mint(authority, { ...request, parentId: id }, by);
}

/** The answer of the mint operation as one object: `key` stands here and nowhere else. */
export function mintAnswer(minted: Minted): Record<string, unknown> {
  const { id, ...rest } = minted.record;
  return { id, key: minted.key, ...rest, warnings: minted.warnings, guards: minted.guards };
}

/** A key that mints below itself names no agent: it would get the agent's path, and speak under its name in journal and assertions. */
function agentProblems({ agentId }: KeyRecord, { by, line }: { by: Actor; line: Line | undefined }): RequestProblem[] {
  const parent = line?.[0];
  if (agentId === undefined || parent === undefined || agentId === parent.agentId) return [];
  if (!line?.some(({ id }) => id === by.keyId)) return [];
  return [{ path: 'agentId', message: 'a key cannot bind its children to an agent that it is not bound to itself; an operator can' }];
}

/** The parent must be known before the request can be read, since it says what the request leaves out. */
async function readLine(
  authority: Authority,
  request: unknown,
  { by, holder }: { by: Actor; holder: KeyRecord | undefined },
): Promise<Line | undefined> {
  const parentId = typeof request === 'object' && request !== null ? (request as { parentId?: unknown }).parentId : undefined;
  if (typeof parentId !== 'string') return undefined;
  const found = await lineOfParent(authority, parentId, by);
  // Whatever else stands there, or does not, is told apart by nothing: a holder without an organisation could read other keys off the problems.
  if (holder !== undefined && !('line' in found && found.line.some(({ id }) => id === holder.id))) {
    throw new RequestProblems([{ path: 'parentId', message: `must be ${holder.id}, the key that asks, or one that descends from it` }]);
  }
  if ('problem' in found) throw new RequestProblems([found.problem]);
  return found.line;
}

function earliestEnd(keys: readonly KeyRecord[]): number | undefined {
  const ends = keys.flatMap(({ expiresAt }) => (expiresAt === undefined ? [] : [expiresAt]));
  return ends.length === 0 ? undefined : Math.min(...ends);
}
