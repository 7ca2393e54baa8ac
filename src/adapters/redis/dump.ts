import type { WindowCount } from '../../domain/counters.ts';
import type { Clock } from '../../ports/clock.ts';
import type { RunningEntry, StateEntry } from '../../ports/dump.ts';
import type { Factor } from '../../ports/factors.ts';
import type { Connection } from './connection.ts';
import { namesOf, type PartitionName } from './dump-names.ts';
import { runningIn } from './dump-running.ts';
import { parseLimits } from './known-accounts.ts';
import { elsewhere } from './layout.ts';
import { pinsIn } from './pins.ts';
import { requireNoReplica } from './restore-mark.ts';

/** Commands that are on their way at a time. */
const pageNames = 200;

/**
 * Everything that the store keeps besides the journal. Ended reservations are left out.
 * @param options.serving  also while gateways serve; what is read then need not be of one moment
 * @throws Error where a gateway is serving or calls are running, unless that was asked for
 */
export async function* dump(
  { connection, clock }: { connection: Connection; clock: Clock },
  { serving = false }: { serving?: boolean } = {},
): AsyncGenerator<StateEntry | RunningEntry> {
  const { client } = connection;
  if (!serving) await requireNoReplica(connection, 'export');
  const names = await namesOf(connection);
  if (!serving) await requireQuiet(connection, names.running);
  for (const [field, value] of Object.entries(await client.hgetall(elsewhere.meta))) {
    const name = /^fingerprint (.*)$/s.exec(field)?.[1];
    if (name !== undefined) yield { is: 'fingerprint', name, value };
  }
  yield* each(names.keys, async ({ name }) => {
    const text = await client.hget(name, 'record');
    return text === null ? undefined : { is: 'key', record: JSON.parse(text) };
  });
  yield* each(names.accounts, async ({ name, rest: id }) => {
    const { balance, held, created, rev, limits = '' } = await client.hgetall(name);
    if (rev === undefined) return undefined;
    const amounts = { balance: Number(balance), held: Number(held), createdAt: Number(created) };
    return { is: 'account', account: { id, ...amounts, ...parseLimits(limits), revision: Number(rev) } };
  });
  yield* each(names.references, async ({ name, partition, rest: hash }) => {
    const amount = await client.get(name);
    return amount === null ? undefined : { is: 'reference', hash, amount: Number(amount), of: { partition } };
  });
  yield* each(names.counters, async ({ name, rest: holder }) => {
    const counters = Object.entries(await client.hgetall(name)).map(([counter, text]) => [counter, windowsOf(text)] as const);
    return { is: 'counters', holder, counters: Object.fromEntries(counters) };
  });
  yield* each(names.totals, async ({ name, rest: holder }) => {
    const totals = Object.entries(await client.hgetall(name)).map(([counter, text]) => [counter, JSON.parse(text)] as const);
    return { is: 'totals', holder, totals: Object.fromEntries(totals) };
  });
  yield* each(names.factors, async ({ name }) => {
    const text = await client.hget(name, 'factor');
    return text === null ? undefined : { is: 'factor', factor: JSON.parse(text) as Factor };
  });
  for (const name of names.pins) for (const pin of await pinsIn(connection, name)) yield { is: 'pin', pin };
  yield* each(names.progress, async (name) => {
    return { is: 'progress', name, position: Number((await client.get(elsewhere.progress(name))) ?? '0') };
  });
  yield* each(names.once, async (name) => {
    const left = await client.pttl(name);
    return left < 0 ? undefined : { is: 'once', hash: name.slice(elsewhere.once('').length), until: clock.now() + left };
  });
  yield* each(names.replays, async (name) => {
    const { body, until, status, answer = '' } = await client.hgetall(name);
    if (body === undefined) return undefined;
    const given = status === undefined ? {} : { answer: { status: Number(status), body: answer } };
    return { is: 'replay', hash: name.slice(elsewhere.replay('').length), bodyHash: body, until: Number(until), ...given };
  });
  if (serving) yield* runningIn(connection, names.running);
}

/** What stood there when the names were read and is gone by now is left out. */
async function* each<Name, Entry extends StateEntry>(
  names: readonly Name[],
  read: (name: Name) => Promise<Entry | undefined>,
): AsyncGenerator<Entry> {
  for (let from = 0; from < names.length; from += pageNames) {
    for (const entry of await Promise.all(names.slice(from, from + pageNames).map(read))) if (entry) yield entry;
  }
}

/** As ledger.lua writes them: four members for each window, the last an object where something was told and 0 where nothing was. */
function windowsOf(text: string): WindowCount[] {
  const members = JSON.parse(text) as unknown[];
  return Array.from({ length: members.length / 4 }, (_, at) => {
    const [start, spent, held, told] = members.slice(at * 4, at * 4 + 4);
    const reported = typeof told === 'object' && told !== null ? { told: told as Record<string, number> } : {};
    return { start: Number(start), spent: Number(spent), held: Number(held), ...reported };
  });
}

async function requireQuiet({ client }: Connection, running: readonly PartitionName[]): Promise<void> {
  const counts = await Promise.all(running.map(({ name }) => client.zcard(name)));
  const all = counts.reduce((sum, count) => sum + count, 0);
  if (all === 0) return;
  throw new Error(
    `${all} calls or leases of gateways that ended are still held in this store. Export again when they have expired (limits.holdMsMax), or ` +
      'start a gateway until they have.',
  );
}
