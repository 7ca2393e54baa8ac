import type { Denial, Reason } from '../domain/denial.ts';
import type { Caller, Callers } from '../ports/callers.ts';
import { callerOf } from './caller-of.ts';
import { timeText } from './view.ts';

/** A key as somebody showed it, and what it is to be good for. */
export interface VerifyRequest {
  /** An agent key or an access token. */
  readonly key: string;
  readonly scope?: string | undefined;
  readonly upstream?: string | undefined;
  readonly tool?: string | undefined;
}

/** Whether a key is good, for servers that check keys themselves. Who it belongs to is told for dead keys too; of unknown ones nothing is. */
export interface Verified {
  readonly valid: boolean;
  /** Null where the key is good. */
  readonly reason: Reason | null;
  readonly keyId?: string;
  readonly name?: string;
  readonly kind?: string;
  readonly environment?: string;
  readonly orgId?: string | null;
  readonly agentId?: string | null;
  readonly botId?: string | null;
  readonly onBehalfOf?: string | null;
  /** From the parent up. */
  readonly parentIds?: readonly string[];
  /** What was granted to the key, or what its access token was cut down to. */
  readonly scopes?: readonly string[];
  readonly upstreams?: readonly string[];
  readonly tools?: readonly string[];
  /** When the first of token, key and ancestors ends; null where none does. */
  readonly expiresAt?: string | null;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Scopes that are needed and not held. */
  readonly needed?: readonly string[];
}

type Judge = (question: Omit<VerifyRequest, 'key'> & { readonly caller: Caller }) => Promise<Denial | undefined>;

/** @param deps.judge the gateway's own judgement, so that it and this answer cannot differ. Nothing is written, nothing is counted. */
export async function verifyKey(deps: { callers: Callers; judge: Judge }, { key, ...asked }: VerifyRequest): Promise<Verified> {
  const caller = await callerOf(deps.callers, key);
  if (!caller) return { valid: false, reason: 'TOKEN_INVALID' };
  const denial = await deps.judge({ ...asked, caller });
  const needed = denial?.facts.needed;
  return {
    valid: denial === undefined,
    reason: denial?.reason ?? null,
    ...identityOf(caller),
    ...(Array.isArray(needed) && { needed: needed.filter((scope) => !caller.grants(scope)) }),
  };
}

function identityOf({ key, ancestors, scopes, accessToken }: Caller): Partial<Verified> {
  const ends = [accessToken?.expiresAt, ...[key, ...ancestors].map(({ expiresAt }) => expiresAt)].filter((end) => end !== undefined);
  return {
    keyId: key.id,
    name: key.name,
    kind: key.kind,
    environment: key.environment,
    orgId: key.orgId ?? null,
    agentId: key.agentId ?? null,
    botId: key.botId ?? null,
    onBehalfOf: key.onBehalfOf ?? null,
    parentIds: key.parentIds,
    scopes: [...scopes.texts],
    upstreams: key.upstreams,
    tools: key.tools,
    expiresAt: ends.length === 0 ? null : timeText(Math.min(...ends)),
    metadata: key.metadata ?? {},
  };
}
