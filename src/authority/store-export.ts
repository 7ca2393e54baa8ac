import { createHash } from 'node:crypto';
import { formatMicros } from '../domain/money.ts';
import type { LineSigner } from '../domain/signed-line.ts';
import type { Clock } from '../ports/clock.ts';
import type { KeptEntry, StateEntry } from '../ports/dump.ts';
import type { Journal } from '../ports/journal.ts';
import type { Store } from '../ports/store.ts';
import { createDumpTally, type DumpTotals } from './dump-tally.ts';
import { dumpHeader, sealDump } from './dump-text.ts';
import { readLines } from './export-journal.ts';
import { Conflict } from './problems.ts';

/**
 * Everything that a store holds, as JSON lines without their line feeds: the state, the journal's exact records, its checkpoints, and a signed
 * last line with counts, sums and a hash. No line holds a secret, but digests of keys and sealed second factors.
 * @returns what was written
 * @throws Error, before the first line, where a gateway is serving or calls are running; Conflict where the store contradicts itself or changed
 */
export async function* exportStore({
  store,
  clock,
  signer,
}: {
  store: Store;
  clock: Clock;
  signer: LineSigner;
}): AsyncGenerator<string, DumpTotals, undefined> {
  // Holds that expired while no gateway was there to end them.
  await store.ledger.sweep({ now: clock.now() });
  await store.journal.checkpoint(clock.now());
  const through = await store.journal.head();
  const tally = createDumpTally();
  const hash = createHash('sha256');
  const written = (line: string): string => {
    hash.update(`${line}\n`);
    return line;
  };
  let begun = false;
  for await (const entry of keptBy(store, through)) {
    if (!begun) yield written(dumpHeader);
    begun = true;
    tally.add(entry);
    yield written(JSON.stringify(entry));
  }
  if (!begun) yield written(dumpHeader);
  if ((await store.journal.head()) !== through) throw new Conflict('The store was changed while it was exported. Export again.');
  const totals = tally.totals();
  yield sealDump({ time: new Date(clock.now()).toISOString(), sha256: hash.digest('hex'), ...totals }, signer);
  return totals;
}

/** All that a store keeps, in the order in which another can take it in. @throws as exportStore does */
export async function* keptBy(store: Store, through: number): AsyncGenerator<KeptEntry> {
  for await (const entry of store.dump()) {
    if (entry.is === 'hold' || entry.is === 'lease')
      throw new Conflict('A call began while the store was exported. Stop the gateways, then export again.');
    yield requireReleased(entry);
  }
  yield* journalOf(store.journal, through);
}

async function* journalOf(journal: Journal, through: number): AsyncGenerator<KeptEntry> {
  let last: number | undefined;
  for await (const { position, text } of readLines(journal, { after: 0, through })) {
    if (last !== undefined && position !== last + 1) throw hole(last + 1);
    last = position;
    yield { is: 'line', position, text };
  }
  if ((last ?? 0) !== through) throw hole((last ?? 0) + 1);
  for (const checkpoint of await journal.checkpoints()) yield { is: 'checkpoint', checkpoint };
}

/** No call is running, so what is held is held for ever: moved along, it would go on being wrong. */
function requireReleased<Entry extends StateEntry>(entry: Entry): Entry {
  const found = heldIn(entry);
  if (found === undefined) return entry;
  throw new Conflict(`${found}, although no call is running. See keygate ledger reconcile.`);
}

function heldIn(entry: StateEntry): string | undefined {
  if (entry.is === 'account' && entry.account.held !== 0) return `Account ${entry.account.id} holds ${formatMicros(entry.account.held)}`;
  if (entry.is !== 'counters') return undefined;
  const counter = Object.entries(entry.counters).find(([, windows]) => windows.some(({ held }) => held !== 0));
  return counter && `The counter "${counter[0]}" of ${entry.holder} holds something`;
}

function hole(position: number): Conflict {
  return new Conflict(`The journal cannot be read at position ${position}: it is damaged. See keygate journal verify.`);
}
