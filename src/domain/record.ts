import { hash as digest } from 'node:crypto';

/** Every kind of journal record. Schema version 1; docs/journal.md explains each. */
export type RecordKind =
  | 'call.intent'
  | 'call.outcome'
  | 'call.refused'
  | 'refusals.counted'
  | 'key.minted'
  | 'key.revoked'
  | 'key.changed'
  | 'key.rotated'
  | 'key.deleted'
  | 'key.expiring'
  | 'key.leaked'
  | 'token.issued'
  | 'stepup.enrolled'
  | 'stepup.passed'
  | 'stepup.failed'
  | 'admin.refused'
  | 'signing.changed'
  | 'account.created'
  | 'account.credited'
  | 'account.adjusted'
  | 'account.limited'
  | 'limit.threshold'
  | 'config.reloaded'
  | 'config.rejected'
  | 'upstream.listed'
  | 'upstream.opened'
  | 'upstream.closed'
  | 'tool.pinned'
  | 'tool.changed'
  | 'tool.quarantined'
  | 'tool.reported'
  | 'tool.approved'
  | 'journal.pruned'
  | 'gap';

/** What a record says; partition, seq, time, prev and hash are added by the journal. Flat; absent members are left out. */
export interface RecordFacts {
  readonly kind: RecordKind;
  readonly requestId?: string | undefined;
  readonly reservationId?: string | undefined;
  readonly keyId?: string | undefined;
  readonly parentIds?: readonly string[] | undefined;
  readonly org?: string | undefined;
  readonly agent?: string | undefined;
  readonly bot?: string | undefined;
  readonly account?: string | undefined;
  readonly environment?: string | undefined;
  readonly onBehalfOf?: string | undefined;
  readonly address?: string | undefined;
  readonly userAgent?: string | undefined;
  readonly upstream?: string | undefined;
  readonly method?: string | undefined;
  readonly tool?: string | undefined;
  readonly resource?: string | undefined;
  readonly prompt?: string | undefined;
  readonly argumentsHash?: string | undefined;
  /** Present where a call was sent again with the input it needed: 1 for the first time. */
  readonly round?: number | undefined;
  readonly decision?: 'allowed' | 'refused' | undefined;
  readonly reason?: string | undefined;
  readonly rule?: string | undefined;
  readonly ruleRevision?: string | undefined;
  /** Decimal strings. */
  readonly held?: string | undefined;
  readonly charged?: string | undefined;
  /** HTTP status of the upstream's answer, or what became of the call. */
  readonly status?: number | string | undefined;
  readonly latencyMs?: number | undefined;
  readonly upstreamMs?: number | undefined;
  readonly [fact: string]: unknown;
}

/** A record as it stands in the journal. */
export interface JournalRecord extends RecordFacts {
  readonly v: 1;
  readonly partition: string;
  readonly seq: number;
  /** ISO 8601, UTC. */
  readonly time: string;
  /** Hash of the record before; 64 zeros for the first. */
  readonly prev: string;
  /** SHA-256, hex, over the record's own text up to (not including) `,"hash":`. */
  readonly hash: string;
}

export const firstPrev = '0'.repeat(64);

/**
 * Chains one record: returns its exact JSON text, which is what is stored, exported and verified, byte for byte.
 * @param options.facts  as an object, or as a JSON object's text in one line, with a member and without space around it
 * @param options.time  milliseconds since the epoch, or the text that Date makes of them
 */
export function chainRecord(options: {
  facts: RecordFacts | string;
  partition: string;
  seq: number;
  time: number | string;
  prev: string;
}): {
  text: string;
  hash: string;
} {
  const { facts, partition, seq, time, prev } = options;
  // The members in their order, as one object would be printed; copying all facts into one costs more than the rest of this.
  const said = (typeof facts === 'string' ? facts : JSON.stringify(facts)).slice(1, -1);
  const place = `"v":1,"partition":${JSON.stringify(partition)},"seq":${seq},"time":"${typeof time === 'string' ? time : new Date(time).toISOString()}"`;
  const open = `{${place},${said}${said === '' ? '' : ','}"prev":"${prev}"`;
  const hash = digest('sha256', open);
  return { text: `${open},"hash":"${hash}"}`, hash };
}

const tail = /^,"hash":"([0-9a-f]{64})"\}$/;
/** Length of `,"hash":"<64 hex>"}`. */
const tailLength = 75;

/** Recomputes a record's hash from its exact text; undefined where the text does not end in a hash. */
export function hashOfText(text: string): { stated: string; computed: string } | undefined {
  const match = tail.exec(text.slice(-tailLength));
  if (!match?.[1]) return undefined;
  return { stated: match[1], computed: digest('sha256', text.slice(0, -tailLength)) };
}

/** A signed statement that the chain stood at this hash: a cut tail is found because the statement outlives it. */
export interface Checkpoint {
  readonly partition: string;
  readonly seq: number;
  readonly hash: string;
  readonly time: string;
  /** JWK thumbprint (RFC 7638) of the Ed25519 key. */
  readonly kid: string;
  /** Ed25519 (RFC 8032) over `keygate-checkpoint-v1\n<partition>\n<seq>\n<hash>\n<time>`, base64url. */
  readonly signature: string;
}

export function checkpointText(checkpoint: Pick<Checkpoint, 'partition' | 'seq' | 'hash' | 'time'>): string {
  return `keygate-checkpoint-v1\n${checkpoint.partition}\n${checkpoint.seq}\n${checkpoint.hash}\n${checkpoint.time}`;
}
