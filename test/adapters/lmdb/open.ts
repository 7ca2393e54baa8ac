import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStore, type Store } from '../../../src/adapters/lmdb/store.ts';
import { plainCalendar, type SteppedClock, type Subject, steppedClock, testSigner } from '../../ports/subject.ts';

export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'keygate-store-'));
}

/** A new store in a folder of its own, which goes with it. */
export async function openSubject(): Promise<Subject> {
  const folder = temporaryFolder();
  const clock = steppedClock();
  const signer = testSigner();
  const store = openStore({ folder, clock, calendar: plainCalendar, signer, instance: 'test-life', serving: true });
  const close = async (): Promise<void> => {
    await store.close();
    rmSync(folder, { recursive: true });
  };
  const { keyring, ledger, journal, factors, replays } = store;
  return { keyring, ledger, journal, factors, replays, clock, publicKeys: signer.publicKeys, close };
}

/** Opens the store of a folder, as one process life of a gateway or of the command line. */
export function openIn(folder: string, changes: { instance?: string; serving?: boolean; clock?: SteppedClock } = {}): Store {
  const { instance = 'test-life', serving = false, clock = steppedClock() } = changes;
  return openStore({ folder, clock, calendar: plainCalendar, signer: testSigner(), instance, serving });
}
