import { createHash, type KeyObject } from 'node:crypto';
import { beginVerifying } from '../domain/verify-journal.ts';
import type { KeptEntry } from '../ports/dump.ts';
import type { Store } from '../ports/store.ts';
import { createDumpTally, type DumpTotals, differencesOf } from './dump-tally.ts';
import { type DumpSeal, dumpHeader, readEntry, readSeal, unreadable } from './dump-text.ts';
import { Conflict } from './problems.ts';
import { keptBy } from './store-export.ts';

/**
 * Takes an exported store into an empty one. The file is read to its end first: its signature, hash, counts and sums, and its whole journal are
 * checked before anything is written. Afterwards everything is read back and compared; until then nobody can open the store.
 * @param options.lines  reads the file from its beginning, line by line without line feeds; called twice
 * @param options.publicKeys  checkpoint keys by their id, those that no longer sign included
 * @throws Conflict where the file cannot be believed, or the store holds something else than the file afterwards; Error as Store.restore does
 */
export async function importStore(options: {
  store: Store;
  lines: () => AsyncIterable<string>;
  publicKeys: ReadonlyMap<string, KeyObject>;
}): Promise<DumpTotals> {
  const { store, lines, publicKeys } = options;
  const seal = await verifyDump(lines(), publicKeys);
  const reading = readDump(lines());
  const check = async (): Promise<void> => {
    if (reading.sha256() !== seal.sha256) throw new Conflict('The file was changed while it was imported.');
    const tally = createDumpTally();
    for await (const entry of keptBy(store, await store.journal.head())) tally.add(entry);
    const differences = differencesOf(seal, tally.totals());
    if (differences.length > 0) throw new Conflict(`The store does not hold what the file does: ${differences.join('; ')}.`);
  };
  await store.restore({ entries: reading.entries, check });
  return seal;
}

/** @throws Conflict saying what about the file cannot be believed */
async function verifyDump(lines: AsyncIterable<string>, publicKeys: ReadonlyMap<string, KeyObject>): Promise<DumpSeal> {
  const reading = readDump(lines);
  const tally = createDumpTally();
  const journal = beginVerifying({ checkpoints: [], publicKeys });
  for await (const entry of reading.entries) {
    tally.add(entry);
    if (entry.is === 'line') journal.take(entry.text);
    else if (entry.is === 'checkpoint') journal.take(JSON.stringify({ checkpoint: entry.checkpoint }));
  }
  const seal = readSeal(reading.last(), publicKeys);
  if (reading.sha256() !== seal.sha256) throw new Conflict('The file was changed: its text is not the one that was signed.');
  const differences = differencesOf(seal, tally.totals());
  if (differences.length > 0) throw new Conflict(`The file does not hold what its last line says: ${differences.join('; ')}.`);
  const [fault] = journal.end().faults;
  if (fault) throw new Conflict(`The journal in the file does not verify: ${fault.partition} ${fault.seq}: ${fault.problem}.`);
  return seal;
}

/** The entries of a file; `last` and `sha256` speak once all are read. */
function readDump(lines: AsyncIterable<string>): { entries: AsyncGenerator<KeptEntry>; last(): string; sha256(): string } {
  const hash = createHash('sha256');
  let last = '';
  let digest = '';
  async function* entries(): AsyncGenerator<KeptEntry> {
    let first = true;
    let pending: string | undefined;
    for await (const line of lines) {
      if (pending !== undefined) {
        hash.update(`${pending}\n`);
        if (!first) yield readEntry(pending);
        else if (pending !== dumpHeader) throw unreadable();
        first = false;
      }
      pending = line;
    }
    last = pending ?? '';
    digest = hash.digest('hex');
  }
  return { entries: entries(), last: () => last, sha256: () => digest };
}
