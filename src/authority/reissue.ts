import { z } from 'zod';
import type { KeyRecord } from '../domain/key.ts';
import { type Micros, zeroMicros } from '../domain/money.ts';
import { compileScopes, isWithin, scopeProblem } from '../domain/scope.ts';
import type { Actor } from '../ports/keyring.ts';
import type { Authority } from './authority.ts';
import { requireAlive } from './change-key.ts';
import { composeSecret, unusedId } from './compose-record.ts';
import { confinedProblems } from './confine.ts';
import { ancestorsOf, wideningsOf } from './descent.ts';
import { parseLifetime } from './duration.ts';
import { guardFindings, heedFindings, type Warnings } from './guard-findings.ts';
import { findKey } from './list.ts';
import { Conflict, parseRequest, type RequestProblem, RequestProblems } from './problems.ts';
import { endKey, readReason } from './revoke.ts';
import { type KeyView, viewKey } from './view.ts';

export interface Reissued extends Warnings {
  /** The new key's text, shown once. */
  readonly key: string;
  readonly record: KeyView;
  /** The key whose place it takes, revoked. */
  readonly replaced: KeyView;
}

const reissueRequestSchema = z.strictObject({
  ttl: z
    .string()
    .refine((text) => parseLifetime(text) !== undefined, 'must be such as 15m, 12h or 30d')
    .optional(),
  scopes: z
    .array(
      z.string().superRefine((scope, refinement) => {
        const problem = scopeProblem(scope);
        if (problem !== undefined) refinement.addIssue(problem);
      }),
    )
    .max(64, 'must be at most 64 scopes')
    .optional(),
  reason: z.string().optional(),
});

/**
 * One act for a key that is too strong or lives too long: a new key with the same grants, a shorter or the same life and, where `scopes`
 * are given, fewer of them; the old one is revoked. Its children end with it. What a key may do once in its whole life is not given twice:
 * totals and uses go on where the old key stopped.
 * @param request the body of `POST /keys/{id}/reissue`: {ttl?, scopes?, reason?}
 * @throws RequestProblems, NotFound, Conflict for a dead key
 */
export async function reissue(authority: Authority, id: string, request: unknown, by: Actor): Promise<Reissued> {
  const { ttl, scopes, reason } = parseRequest(reissueRequestSchema, request ?? {});
  const old = await findKey(authority, id, by);
  requireAlive(authority, old, 'reissued');
  const why = readReason(reason, 'reissued');
  const now = authority.clock.now();
  const newId = await unusedId(authority);
  const secret = composeSecret(authority, { environment: old.environment, id: newId });
  const { expiresAt: _end, scopes: _scopes, ...grants } = old;
  const expiresAt = endOf(authority, old, ttl);
  const record: KeyRecord = {
    ...grants,
    ...(await whatIsLeft(authority, old)),
    id: newId,
    prefix: secret.prefix,
    last4: secret.last4,
    scopes: scopes ?? old.scopes,
    createdAt: now,
    revision: 1,
    digests: [secret.digest],
    ...(expiresAt === undefined ? {} : { expiresAt }),
  };
  const ancestors = await ancestorsOf(authority, old);
  const problems = problemsOf(authority, { old, record, ancestors, ttl });
  problems.push(...(await confinedProblems(authority, record, by)));
  if (problems.length > 0) throw new RequestProblems(problems);
  const warned = heedFindings(authority, await guardFindings(authority, record, { ancestors, replaced: old.id }));

  await authority.keyring.insert(record, by);
  // Should this fail, the new key is one whose text nobody was ever told.
  const ending = `; replaced by ${newId}`;
  const end = `${why.slice(0, 200 - ending.length).toWellFormed()}${ending}`;
  const replaced = await endKey(authority, old.id, { reason: end, by });
  if (replaced.record.revokedReason !== end) {
    // Somebody else ended it first. Its totals must not be given twice, nor a leaked key come back under another id.
    await endKey(authority, newId, { reason: 'the key it was to replace ended meanwhile', by });
    throw new Conflict('The key was revoked or reissued meanwhile; nothing took its place here.');
  }
  return { key: secret.key, record: viewKey(record, now), replaced: replaced.record, ...warned };
}

/** The reissue operation's answer as one object: `key` stands here and nowhere else. */
export function reissueAnswer(done: Reissued): Record<string, unknown> {
  const { id, ...rest } = done.record;
  return { id, key: done.key, ...rest, replaced: done.replaced.id, warnings: done.warnings, guards: done.guards };
}

function endOf(authority: Authority, old: KeyRecord, ttl: string | undefined): number | undefined {
  const { defaultMs, maxMs, required } = authority.keys.expiry;
  const asked = ttl === undefined ? undefined : parseLifetime(ttl);
  const now = authority.clock.now();
  if (asked !== undefined) return now + asked;
  if (old.expiresAt !== undefined || !required) return old.expiresAt;
  const life = defaultMs ?? maxMs;
  return life === undefined ? undefined : now + life;
}

function problemsOf(
  authority: Authority,
  { old, record, ancestors, ttl }: { old: KeyRecord; record: KeyRecord; ancestors: readonly KeyRecord[]; ttl: string | undefined },
): RequestProblem[] {
  const problems: RequestProblem[] = [];
  const { maxMs } = authority.keys.expiry;
  const latest = Math.min(
    old.expiresAt ?? Number.POSITIVE_INFINITY,
    ttl === undefined || maxMs === undefined ? Number.POSITIVE_INFINITY : record.createdAt + maxMs,
  );
  if ((record.expiresAt ?? 0) > latest) problems.push({ path: 'ttl', message: 'would outlive what the key it replaces may live' });
  const wider = isWithin(record.scopes, compileScopes(old.scopes, authority.scopes));
  for (const scope of wider) problems.push({ path: 'scopes', message: `"${scope}" is not within the scopes of the key it replaces` });
  for (const { path, message } of wideningsOf(authority, record, ancestors)) {
    problems.push({ path: path === 'expiresAt' ? 'ttl' : path, message });
  }
  return problems;
}

/** Totals and uses less what is spent and held of them. */
async function whatIsLeft(authority: Authority, old: KeyRecord): Promise<Partial<KeyRecord>> {
  const lines = await authority.ledger.usage({ key: old, ancestors: [], now: authority.clock.now() });
  const left = (name: string, limit: number): number => {
    const line = lines.find(({ limitName }) => limitName === `key:${old.id} ${name}`);
    return line === undefined ? limit : Math.max(0, limit - line.spent - line.held);
  };
  return {
    budgets: old.budgets.map((budget) =>
      budget.per === 'total'
        ? { ...budget, amount: (left(`budget total${ofTool(budget)}`, budget.amount) || zeroMicros) as Micros }
        : budget,
    ),
    caps: old.caps.map((cap) => (cap.per === 'total' ? { ...cap, calls: left(`cap total${ofTool(cap)}`, cap.calls) } : cap)),
    ...(old.maxUses === undefined ? {} : { maxUses: left('uses', old.maxUses) }),
  };
}

function ofTool({ tool }: { tool?: string }): string {
  return tool === undefined ? '' : ` ${tool}`;
}
