import type { RunningEntry, StateEntry } from '../../ports/dump.ts';
import { servingProcess } from './gateway-lock.ts';
import { withTexts } from './pins.ts';
import type { Table, Tables } from './tables.ts';

/** Entries read at a time: a longer read would keep old pages of the file in use. */
const pageEntries = 500;

/**
 * Everything that the store keeps besides the journal. Ended reservations are left out.
 * @param options.serving  also while a gateway serves; the pages that are read then need not be of one moment
 * @throws Error where a gateway is serving or calls are running, unless that was asked for
 */
export async function* dump(tables: Tables, { serving = false }: { serving?: boolean } = {}): AsyncGenerator<StateEntry | RunningEntry> {
  tables.refresh();
  if (!serving) requireQuiet(tables);
  for (const { key, value } of entriesOf(tables.meta)) {
    const name = fingerprintPattern.exec(key)?.[1];
    if (name !== undefined) yield { is: 'fingerprint', name, value: String(value) };
  }
  for (const { value: record } of entriesOf(tables.keys)) yield { is: 'key', record };
  for (const { value: account } of entriesOf(tables.accounts)) yield { is: 'account', account };
  for (const { key: hash, value } of entriesOf(tables.references)) yield { is: 'reference', hash, ...value };
  for (const { key: holder, value: counters } of entriesOf(tables.counters)) yield { is: 'counters', holder, counters };
  for (const { key: holder, value: totals } of entriesOf(tables.totals)) yield { is: 'totals', holder, totals };
  for (const { value: factor } of entriesOf(tables.factors)) yield { is: 'factor', factor };
  for (const { key, value } of entriesOf(tables.pins)) yield { is: 'pin', pin: withTexts(value, tables.pinTexts.get(key) ?? {}) };
  for (const { key, value } of entriesOf(tables.meta)) {
    const name = progressPattern.exec(key)?.[1];
    if (name !== undefined) yield { is: 'progress', name, position: Number(value) };
  }
  for (const { key: hash, value: until } of entriesOf(tables.once)) yield { is: 'once', hash, until };
  for (const { key: hash, value } of entriesOf(tables.replays)) {
    const { bodyHash, forgetAt: until, answer } = value;
    yield { is: 'replay', hash, bodyHash, until, ...(answer && { answer }) };
  }
  if (!serving) return;
  for (const { value } of entriesOf(tables.holds)) yield { is: 'hold', id: value.id, keyId: value.keyId, price: value.price };
}

const fingerprintPattern = /^fingerprint (.*)$/s;
const progressPattern = /^progress (.*)$/s;

function requireQuiet(tables: Tables): void {
  const pid = servingProcess(tables);
  if (pid !== undefined) throw new Error(`A gateway (process ${pid}) is serving from this store. Stop it, then export again.`);
  const [hold] = tables.holds.getKeys({ limit: 1 });
  if (hold !== undefined) {
    throw new Error(
      'Calls of a gateway that ended are still held in this store. Export again when their holds have expired (limits.holdMsMax), or start ' +
        'the gateway and stop it again, which ends them.',
    );
  }
}

function* entriesOf<V, K extends string>(table: Table<V, K>): Generator<{ key: K; value: V }> {
  for (let after: K | undefined; ; ) {
    const range = table.getRange({ limit: pageEntries, ...(after !== undefined && { start: after, exclusiveStart: true }) });
    const page = [...range];
    yield* page;
    if (page.length < pageEntries) return;
    after = page.at(-1)?.key;
  }
}
