import { composeKey, digestKey, displayOf, pepperId, randomId } from '../domain/credential.ts';
import type { Environment, KeyDigest, KeyRecord } from '../domain/key.ts';
import { type Micros, parseMicros } from '../domain/money.ts';
import type { Authority } from './authority.ts';
import type { MintJudgement } from './judge-mint.ts';
import { addressBlock, type MintTerms } from './mint-request.ts';

/** A new secret of a key: its text, which nobody keeps, and what the record keeps of it. */
export interface NewSecret {
  readonly key: string;
  readonly prefix: string;
  readonly last4: string;
  readonly digest: KeyDigest;
}

const idAttemptsMax = 8;

export function composeSecret(authority: Authority, options: { environment: Environment; id: string }): NewSecret {
  const { prefix, peppers } = authority.keys;
  const pepper = peppers[0];
  if (pepper === undefined) throw new Error('the configuration holds no pepper, so no key can be made');
  const key = composeKey({ prefix, ...options, secret: authority.random(32) });
  return { key, ...displayOf(key), digest: { digest: digestKey(key, pepper), pepperId: pepperId(pepper) } };
}

/** The record of a new key, and the key. @param parentIds from the parent up */
export async function composeRecord(
  authority: Authority,
  judgement: MintJudgement,
  parentIds: readonly string[],
): Promise<{ key: string; record: KeyRecord }> {
  const { terms, scopes, orgId, agentId, expiresAt, createdAt } = judgement;
  const id = await unusedId(authority);
  const { key, prefix, last4, digest } = composeSecret(authority, { environment: terms.environment, id });
  const { botId, accountId, onBehalfOf, rate, maxUses, owner, purpose, metadata } = terms;
  const record: KeyRecord = {
    id,
    name: terms.name,
    kind: terms.kind,
    environment: terms.environment,
    prefix,
    last4,
    parentIds,
    scopes,
    ...limitsOf(terms),
    ...reachOf(terms),
    createdAt,
    revision: 1,
    digests: [digest],
    ...present({ orgId, agentId, botId, accountId, onBehalfOf, rate, maxUses, owner, purpose, metadata, expiresAt }),
    ...(terms.children ? {} : { children: false }),
  };
  return { key, record };
}

/** Budgets and caps as the record keeps them. */
export function limitsOf(terms: Pick<MintTerms, 'budgets' | 'caps'>): Pick<KeyRecord, 'budgets' | 'caps'> {
  return {
    budgets: terms.budgets.map(({ amount, per, zone, tool, soft }) => ({
      amount: microsOf(amount),
      per,
      zone,
      ...restriction({ tool, soft }),
    })),
    caps: terms.caps.map(({ calls, per, zone, tool, soft }) => ({ calls, per, zone, ...restriction({ tool, soft }) })),
  };
}

function restriction({ tool, soft }: { tool: string | undefined; soft: boolean | undefined }): { tool?: string; soft?: true } {
  return { ...present({ tool }), ...(soft === true && { soft }) };
}

/** Upstreams, tools and addresses as the record keeps them: each once, addresses as blocks. */
export function reachOf(terms: Pick<MintTerms, 'upstreams' | 'tools' | 'addresses'>): Pick<KeyRecord, 'upstreams' | 'tools' | 'addresses'> {
  return {
    upstreams: [...new Set(terms.upstreams)],
    tools: [...new Set(terms.tools)],
    addresses: [...new Set(terms.addresses.map(addressBlock))],
  };
}

/** An id that no key has. */
export async function unusedId(authority: Authority): Promise<string> {
  for (let attempt = 0; attempt < idAttemptsMax; attempt += 1) {
    const id = randomId(authority.random(16));
    if ((await authority.keyring.get(id)) === undefined) return id;
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
