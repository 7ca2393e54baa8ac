import { createRemoteJWKSet, type JWTPayload, jwtVerify } from 'jose';

/** Who calls, as keygate vouches for it. */
export interface Caller {
  /** The id of the agent key. */
  readonly key: string;
  readonly org?: string;
  readonly agent?: string;
  readonly scopes: readonly string[];
  readonly environment: string;
  /** Keys that the caller's key descends from, its parent first. */
  readonly parents: readonly string[];
}

/**
 * Verifies assertions of one gateway, meant for one upstream. The key set is fetched once and again when an assertion names a key that is
 * not in it, so a rotation needs nothing here.
 * @param options.issuer the gateway's `publicUrl` @param options.audience this upstream's `url` as the gateway has it
 * @param options.cooldownMs how long an unknown key waits for the next fetch, so that forgeries cause no flood of them
 * @returns rejects with a jose error where the assertion is missing, forged, expired or for somebody else
 */
export function createVerify(options: {
  jwksUrl: string;
  issuer: string;
  audience: string;
  cooldownMs?: number;
}): (assertion: string) => Promise<Caller> {
  const keys = createRemoteJWKSet(new URL(options.jwksUrl), { cooldownDuration: options.cooldownMs ?? 30_000 });
  return async (assertion) => {
    const { payload } = await jwtVerify(assertion, keys, {
      issuer: options.issuer,
      audience: options.audience,
      algorithms: ['ES256'],
      requiredClaims: ['exp', 'iat', 'sub'],
      maxTokenAge: '120s',
    });
    return callerOf(payload);
  };
}

function callerOf(payload: JWTPayload): Caller {
  const text = (name: string) => (typeof payload[name] === 'string' ? payload[name] : undefined);
  const org = text('org');
  const agent = text('agent');
  return {
    key: payload.sub ?? '',
    ...(org !== undefined && { org }),
    ...(agent !== undefined && { agent }),
    scopes: (text('scope') ?? '').split(' ').filter((scope) => scope !== ''),
    environment: text('env') ?? '',
    parents: parentsOf(payload['act']),
  };
}

/** RFC 8693, section 4.1: each actor holds the one before it. */
function parentsOf(act: unknown): string[] {
  if (typeof act !== 'object' || act === null) return [];
  const { sub, act: further } = act as { sub?: unknown; act?: unknown };
  return [...(typeof sub === 'string' ? [sub] : []), ...parentsOf(further)];
}
