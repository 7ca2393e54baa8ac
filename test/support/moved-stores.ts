import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStore } from '../../src/adapters/lmdb/store.ts';
import { openRedisStore } from '../../src/adapters/redis/store.ts';
import type { Signing } from '../../src/authority/signing.ts';
import { exportStore } from '../../src/authority/store-export.ts';
import { importStore } from '../../src/authority/store-import.ts';
import { verifyJournal } from '../../src/authority/verify-journal.ts';
import type { Archive } from '../../src/ports/archive.ts';
import type { JournalReport } from '../../src/ports/journal.ts';
import type { Store } from '../../src/ports/store.ts';
import { plainCalendar, type SteppedClock, testSigner, testThresholds } from '../ports/subject.ts';

/** Opens stores that are moved into each other: one signing key, one clock. */
export interface MovedStores {
  readonly clock: SteppedClock;
  readonly signer: ReturnType<typeof testSigner>;
  folder(options?: { folder?: string; serving?: boolean }): Promise<Store>;
  redis(url: string, options?: { archive?: Archive; serving?: boolean }): Promise<Store>;
  newFolder(): string;
  /** Every line of an export. */
  exported(store: Store): Promise<string[]>;
  imported(store: Store, lines: readonly string[]): Promise<void>;
  verified(store: Store): Promise<JournalReport>;
  /** What the CLI is given in place of its own signing keys. */
  readonly signing: Signing;
  close(): Promise<void>;
}

export function createMovedStores(clock: SteppedClock): MovedStores {
  const signer = testSigner();
  const folders: string[] = [];
  const stores: Store[] = [];
  const keep = (store: Store): Store => {
    let closed: Promise<void> | undefined;
    const once = {
      ...store,
      close: () => {
        closed ??= store.close();
        return closed;
      },
    };
    stores.push(once);
    return once;
  };
  const newFolder = (): string => {
    const folder = mkdtempSync(join(tmpdir(), 'keygate-moved-'));
    folders.push(folder);
    return folder;
  };
  const shared = { calendar: plainCalendar, signer, thresholds: () => testThresholds };
  const log = { note: () => undefined, warn: () => undefined, fault: () => undefined };
  return {
    clock,
    signer,
    newFolder,
    folder: async ({ folder = newFolder(), serving = false } = {}) =>
      keep(await openStore({ ...shared, clock, folder, instance: randomUUID(), serving })),
    redis: async (url, { archive, serving = false } = {}) => {
      // The server's clock is compared with this one when the store is opened.
      let opened = false;
      const own = { now: () => (opened ? clock.now() : Date.now()), monotonic: () => performance.now() };
      const durability = { mode: 'server', replicas: 1 } as const;
      const store = await openRedisStore({
        ...{ ...shared, url, durability, archive, clock: own, log, serving },
        ...{ commandTimeoutMs: 5000, publicKeys: () => signer.publicKeys, instance: randomUUID(), newId: randomUUID },
      });
      opened = true;
      return keep(store);
    },
    exported: async (store) => {
      const lines: string[] = [];
      for await (const line of exportStore({ store, clock, signer })) lines.push(line);
      return lines;
    },
    imported: async (store, lines) => {
      await importStore({ store, lines: () => streamed(lines), publicKeys: signer.publicKeys });
    },
    verified: (store) => verifyJournal({ journal: store.journal }, { publicKeys: signer.publicKeys }),
    signing: { ed25519: signer, checkpointKeys: signer.publicKeys } as unknown as Signing,
    close: async () => {
      for (const store of stores) await store.close();
      for (const folder of folders) rmSync(folder, { recursive: true, force: true });
    },
  };
}

export async function* streamed(lines: readonly string[]): AsyncGenerator<string> {
  yield* lines;
}
