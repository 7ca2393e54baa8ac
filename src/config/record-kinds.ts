import type { RecordKind } from '../domain/record.ts';

/** Every kind once; the compiler misses one that is added to the journal and not here. */
const kinds: Readonly<Record<RecordKind, true>> = {
  'call.intent': true,
  'call.outcome': true,
  'call.refused': true,
  'refusals.counted': true,
  'key.minted': true,
  'key.revoked': true,
  'key.changed': true,
  'key.rotated': true,
  'key.deleted': true,
  'key.expiring': true,
  'key.leaked': true,
  'token.issued': true,
  'stepup.enrolled': true,
  'stepup.passed': true,
  'stepup.failed': true,
  'admin.refused': true,
  'signing.changed': true,
  'account.created': true,
  'account.credited': true,
  'account.adjusted': true,
  'account.limited': true,
  'limit.threshold': true,
  'config.reloaded': true,
  'config.rejected': true,
  'upstream.listed': true,
  'upstream.opened': true,
  'upstream.closed': true,
  'tool.pinned': true,
  'tool.changed': true,
  'tool.quarantined': true,
  'tool.reported': true,
  'tool.approved': true,
  'journal.pruned': true,
  gap: true,
};

/** The kinds of journal records, as configurations may name them. */
export const recordKinds: readonly RecordKind[] = Object.keys(kinds) as RecordKind[];
