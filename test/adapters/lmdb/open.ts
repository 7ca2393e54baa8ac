import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStore } from '../../../src/adapters/lmdb/store.ts';
import type { Store } from '../../../src/ports/store.ts';
import { plainCalendar, type SteppedClock, type Subject, steppedClock, testSigner, testThresholds } from '../../ports/subject.ts';

export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'keygate-store-'));
}

/** A new store in a folder of its own, which goes with it. */
export async function openSubject(): Promise<Subject> {
  const folder = temporaryFolder();
  const clock = steppedClock();
  const signer = testSigner();
  const thresholds = () => testThresholds;
  const store = await openStore({ folder, clock, calendar: plainCalendar, signer, instance: 'test-life', serving: true, thresholds });
  const close = async (): Promise<void> => {
    await store.close();
    rmSync(folder, { recursive: true });
  };
  return { ...store, clock, publicKeys: signer.publicKeys, close };
}

/** Opens the store of a folder, as one process life of a gateway or of the command line. */
export function openIn(
  folder: string,
  changes: { instance?: string; serving?: boolean; alone?: boolean; clock?: SteppedClock; thresholds?: readonly number[] } = {},
): Promise<Store> {
  const { instance = 'test-life', serving = false, alone = true, clock = steppedClock(), thresholds = testThresholds } = changes;
  const options = { folder, clock, calendar: plainCalendar, signer: testSigner(), instance, serving, alone, thresholds: () => thresholds };
  return openStore(options);
}
