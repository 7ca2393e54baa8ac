import type { z } from 'zod';
import { composeKey, digestKey, displayOf, pepperId, randomId } from '../domain/credential.ts';
import type { KeyRecord } from '../domain/key.ts';
import { type Micros, parseMicros } from '../domain/money.ts';
import type { Actor } from '../ports/keyring.ts';
import type { Authority } from './authority.ts';
import { judgeMint, type MintJudgement } from './judge-mint.ts';
import { addressBlock, type MintRequest, mintRequestSchema } from './mint-request.ts';
import { mintWarnings } from './mint-warnings.ts';
import { pathText, type RequestProblem, RequestProblems } from './problems.ts';
import { type KeyView, viewKey } from './view.ts';

/** A new key. `key` is the only copy of its text that will ever exist. */
export interface Minted {
  readonly key: string;
  readonly record: KeyView;
  /** Sentences an operator should read before handing the key out. */
  readonly warnings: readonly string[];
}

const idAttemptsMax = 8;

/**
 * Makes a key and stores it, journalled in the same commit.
 * @param request the body of `POST /keys/mint`, not yet checked
 * @param by who asks, for the journal
 * @throws RequestProblems with everything that is wrong with the request; nothing is stored then
 */
export async function mint(authority: Authority, request: MintRequest | unknown, by: Actor): Promise<Minted> {
  const parsed = mintRequestSchema.safeParse(request);
  if (!parsed.success) {
    throw new RequestProblems(parsed.error.issues.flatMap(problemsOfIssue));
  }
  const judgement = judgeMint(authority, parsed.data);
  if (judgement.problems.length > 0) throw new RequestProblems(judgement.problems);

  const warnings = mintWarnings(authority, judgement);
  const { key, record } = composeRecord(authority, judgement);
  await authority.keyring.insert(record, by);
  return { key, record: viewKey(record, authority.clock.now()), warnings };
}

/** The answer of the mint operation as one object: `key` stands here and nowhere else. */
export function mintAnswer(minted: Minted): Record<string, unknown> {
  const { id, ...rest } = minted.record;
  return { id, key: minted.key, ...rest, warnings: minted.warnings };
}

function problemsOfIssue(issue: z.core.$ZodIssue): RequestProblem[] {
  if (issue.code !== 'unrecognized_keys') return [{ path: pathText(issue.path), message: issue.message }];
  return issue.keys.map((key) => ({ path: pathText([...issue.path, key]), message: 'is not a member of this request' }));
}

function composeRecord(authority: Authority, judgement: MintJudgement): { key: string; record: KeyRecord } {
  const { terms, scopes, orgId, agentId, expiresAt, createdAt } = judgement;
  const { prefix, peppers } = authority.keys;
  const pepper = peppers[0];
  if (pepper === undefined) throw new Error('the configuration holds no pepper, so no key can be made');

  const id = unusedId(authority);
  const key = composeKey({ prefix, environment: terms.environment, id, secret: authority.random(32) });
  const display = displayOf(key);
  const record: KeyRecord = {
    id,
    name: terms.name,
    kind: terms.kind,
    environment: terms.environment,
    prefix: display.prefix,
    last4: display.last4,
    parentIds: [],
    scopes,
    budgets: terms.budgets.map((budget) => ({ amount: microsOf(budget.amount), per: budget.per, zone: budget.zone })),
    caps: terms.caps.map(({ calls, per, zone, tool }) => ({ calls, per, zone, ...present({ tool }) })),
    upstreams: [...new Set(terms.upstreams)],
    tools: [...new Set(terms.tools)],
    addresses: [...new Set(terms.addresses.map(addressBlock))],
    createdAt,
    revision: 1,
    digests: [{ digest: digestKey(key, pepper), pepperId: pepperId(pepper) }],
    ...present({
      orgId,
      agentId,
      botId: terms.botId,
      accountId: terms.accountId,
      onBehalfOf: terms.onBehalfOf,
      rate: terms.rate,
      maxUses: terms.maxUses,
      owner: terms.owner,
      purpose: terms.purpose,
      metadata: terms.metadata,
      expiresAt,
    }),
  };
  return { key, record };
}

function unusedId(authority: Authority): string {
  for (let attempt = 0; attempt < idAttemptsMax; attempt += 1) {
    const id = randomId(authority.random(16));
    if (authority.keyring.get(id) === undefined) return id;
  }
  throw new Error('no unused key id was found; the random source repeats itself');
}

function microsOf(amount: string): Micros {
  const micros = parseMicros(amount);
  if (micros === undefined) throw new Error('an amount was accepted that is none');
  return micros;
}

/** Leaves out members that are undefined, since absent and undefined are different things in a stored record. */
function present<T extends object>(members: T): { [Name in keyof T]?: Exclude<T[Name], undefined> } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as {
    [Name in keyof T]?: Exclude<T[Name], undefined>;
  };
}
