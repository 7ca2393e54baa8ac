import { digestKey, readKey } from '../domain/credential.ts';
import type { KeyRecord } from '../domain/key.ts';
import type { Actor } from '../ports/keyring.ts';
import type { Authority } from './authority.ts';
import { changeKey } from './change-key.ts';
import { NotFound, RequestProblems } from './problems.ts';

/** The whole answer, whatever was reported: it says nothing of whether there is such a key. */
export interface LeakReported {
  readonly received: true;
}

/**
 * Takes a report that a key was seen where it should not be, and revokes it. Reporting it again changes nothing.
 * @param report `key`, the whole text, which anybody may report who has it; or `id`, which only somebody may who could revoke it: ids are no secrets
 * @throws RequestProblems unless exactly one of the two is given
 */
export async function reportLeak(authority: Authority, report: { key?: unknown; id?: unknown }, by: Actor): Promise<LeakReported> {
  const { key, id } = report;
  if ((key === undefined) === (id === undefined) || typeof (key ?? id) !== 'string') {
    throw new RequestProblems([{ path: key === undefined ? 'id' : 'key', message: 'give either key, the whole text of the key, or id' }]);
  }
  const found = typeof key === 'string' ? await byText(authority, key) : await authority.keyring.get(String(id));
  // The text proves that its bearer holds the key, whoever that is; an id proves nothing.
  const reporter = typeof key === 'string' ? { via: by.via, ...(by.keyId === undefined ? {} : { keyId: by.keyId }) } : by;
  if (found !== undefined) await revokeLeaked(authority, found.id, reporter);
  return { received: true };
}

async function byText(authority: Authority, text: string): Promise<KeyRecord | undefined> {
  const { prefix, peppers } = authority.keys;
  const trimmed = text.trim();
  if (readKey(trimmed, prefix) === undefined) return undefined;
  const now = authority.clock.now();
  for (const pepper of peppers) {
    const digest = digestKey(trimmed, pepper);
    const record = await authority.keyring.byDigest(digest);
    const secret = record?.digests.find((each) => each.digest === digest);
    // A secret that a rotation ended opens nothing any more, so it is no reason to end the key.
    if (secret !== undefined) return secret.until === undefined || secret.until > now ? record : undefined;
  }
  return undefined;
}

/** One commit marks the key and says why, so that no crash can leave a leaked key alive that the journal calls dead. */
async function revokeLeaked(authority: Authority, id: string, by: Actor): Promise<void> {
  try {
    await changeKey(authority, id, by, (key) => {
      if (key.revokedAt !== undefined) return undefined;
      const record: KeyRecord = { ...key, revokedAt: authority.clock.now(), revokedReason: 'leaked' };
      return { record, fact: { kind: 'key.leaked', reason: 'leaked' } };
    });
  } catch (error) {
    // Deleted meanwhile, or of another organisation: the answer is the same.
    if (!(error instanceof NotFound)) throw error;
  }
}
