import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { createFolderArchive } from '../../../src/adapters/archive/folder.ts';
import { createRedisJournal } from '../../../src/adapters/redis/journal/journal.ts';
import type { Archive } from '../../../src/ports/archive.ts';
import { journalContract } from '../../ports/journal-contract.ts';
import { type Subject, testSigner } from '../../ports/subject.ts';
import { startRedis, type TestRedis } from '../../support/redis-server.ts';
import { openOn } from './open.ts';

let server: TestRedis;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

/** The store of the other suites, with the journal that seals. */
const sealing = (archive?: Archive) => async (): Promise<Subject> => {
  const subject = await openOn(() => server)();
  const { clock, duties, life } = subject;
  const signer = testSigner();
  const quiet = { note: () => undefined, warn: () => undefined, fault: () => undefined };
  const journal = createRedisJournal({
    ...{ connection: life.connection, archive, duties, signer, clock, log: quiet },
    publicKeys: () => signer.publicKeys,
    newId: randomUUID,
  });
  return { ...subject, journal, publicKeys: signer.publicKeys };
};

journalContract('redis', sealing());
journalContract('redis with a folder as archive', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'keygate-archive-'));
  const subject = await sealing(createFolderArchive({ folder, random: randomBytes }))();
  const close = async () => {
    await subject.close();
    await rm(folder, { recursive: true });
  };
  return { ...subject, close };
});
