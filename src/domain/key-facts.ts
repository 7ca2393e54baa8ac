import type { KeyRecord } from './key.ts';
import type { RecordFacts } from './record.ts';

/** Whom a record is about. Digests, metadata and anything else that might be secret stay out of the journal (I5). */
export function factsOf(record: KeyRecord): Omit<RecordFacts, 'kind'> {
  const { id, parentIds, orgId, agentId, botId, accountId, environment, onBehalfOf } = record;
  return { keyId: id, parentIds, org: orgId, agent: agentId, bot: botId, account: accountId, environment, onBehalfOf };
}

/** Who did it. */
export function actorFacts({ via, keyId }: { readonly via: string; readonly keyId?: string }): { via: string; byKeyId?: string } {
  return { via, ...(keyId !== undefined && { byKeyId: keyId }) };
}

export function mintedFacts(record: KeyRecord, by: Parameters<typeof actorFacts>[0]): RecordFacts {
  const { name, kind: keyKind, scopes, upstreams, tools, expiresAt } = record;
  const expires = expiresAt === undefined ? {} : { expiresAt: new Date(expiresAt).toISOString() };
  return { ...factsOf(record), kind: 'key.minted', ...actorFacts(by), name, keyKind, scopes, upstreams, tools, ...expires };
}
