import type { Restoring, StateEntry } from '../../ports/dump.ts';
import type { Manifest } from './manifest.ts';
import { restorePin } from './pins.ts';
import { dueKey } from './reservation.ts';
import { beginRestore, endRestore } from './restore-mark.ts';
import { createRestoredJournal } from './restored-journal.ts';
import type { Tables } from './tables.ts';

/** Entries that one commit writes. */
const commitEntries = 500;

/**
 * Takes in what another store gave. The journal's lines keep their positions; the store's own chain goes on where lines of its partition end.
 * @throws Error, before any write, where this store is not empty or of another configuration; and where the entries are in no order
 */
export async function restore(tables: Tables, manifest: Manifest, { entries, check }: Restoring): Promise<void> {
  const journal = createRestoredJournal(tables, manifest);
  let writes: (() => void)[] = [];
  const fingerprints = new Map<string, string>();
  let begun = false;
  const begin = async (): Promise<void> => {
    if (begun) return;
    begun = true;
    await tables.commit(() => beginRestore(tables, fingerprints));
  };
  const flush = async (): Promise<void> => {
    const some = writes;
    writes = [];
    await journal.publish();
    await tables.commit(() => {
      for (const write of some) write();
    });
  };
  for await (const entry of entries) {
    if (entry.is === 'fingerprint' && !begun) {
      fingerprints.set(entry.name, entry.value);
      continue;
    }
    await begin();
    writes.push(entry.is === 'line' || entry.is === 'checkpoint' ? journal.take(entry) : () => put(tables, entry));
    if (writes.length >= commitEntries) await flush();
  }
  await begin();
  writes.push(() => journal.end());
  await flush();
  await check();
  await tables.commit(() => endRestore(tables));
}

/** Only writes, to be run inside one commit. */
function put(tables: Tables, entry: StateEntry): void {
  switch (entry.is) {
    case 'fingerprint':
      return void tables.meta.put(`fingerprint ${entry.name}`, entry.value);
    case 'key':
      for (const { digest } of entry.record.digests) tables.digests.put(digest, entry.record.id);
      return void tables.keys.put(entry.record.id, entry.record);
    case 'account':
      return void tables.accounts.put(entry.account.id, entry.account);
    case 'reference':
      return void tables.references.put(entry.hash, { amount: entry.amount, of: entry.of });
    case 'counters':
      return void tables.counters.put(entry.holder, entry.counters);
    case 'totals':
      return void tables.totals.put(entry.holder, entry.totals);
    case 'factor':
      return void tables.factors.put(entry.factor.keyId, entry.factor);
    case 'pin':
      restorePin(tables, entry.pin);
      return;
    case 'progress':
      return void tables.meta.put(`progress ${entry.name}`, entry.position);
    case 'once':
      tables.once.put(entry.hash, entry.until);
      return void tables.due.put(dueKey(entry.until, 'once', entry.hash), true);
    case 'replay': {
      const { hash, bodyHash, until, answer } = entry;
      tables.replays.put(hash, { bodyHash, forgetAt: until, ...(answer && { answer }) });
      return void tables.due.put(dueKey(until, 'replay', hash), true);
    }
  }
}
