import { randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import { openConnection } from '../src/adapters/redis/connect.ts';
import { entriesOfRow, factsOfEntry } from '../src/adapters/redis/journal-entry.ts';
import { inPartition, partitionOf } from '../src/adapters/redis/layout.ts';
import { withLeases } from '../src/adapters/redis/leased-ledger.ts';
import { createRedisLedger } from '../src/adapters/redis/ledger.ts';
import { createCalendar } from '../src/domain/calendar.ts';
import { type KeyRecord, rootOf } from '../src/domain/key.ts';
import type { RecordFacts } from '../src/domain/record.ts';
import type { Ledger } from '../src/ports/ledger.ts';
import { systemClock } from '../src/system-clock.ts';
import { openBeside, type RedisSubject } from '../test/adapters/redis/open.ts';
import { budget, callsOn, cap } from '../test/ports/calls.ts';
import { admitRequest, chargesOf, micros, outcomeFacts, steppedClock } from '../test/ports/subject.ts';
import { startRedis, type TestRedis } from '../test/support/redis-server.ts';

/**
 * `node load/lease.ts [--seconds N] [--lease-calls N] [--replicas N] [--parallel N]`: calls of one key on one Redis, admitted one by one and from
 * leases, in turn. Says what a call costs the server and how many pass in a second, as ratios of the same run, after proving that the
 * ledger and the journal agree on every one. Exit code 1 where they do not.
 */
const rounds = 3;
const price = 7;

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '2' },
    'lease-calls': { type: 'string', default: '200' },
    replicas: { type: 'string', default: '2' },
    parallel: { type: 'string', default: '32' },
  },
});
const [seconds, leaseCalls, replicas, parallel] = [values.seconds, values['lease-calls'], values.replicas, values.parallel].map(Number);
const given = [seconds, leaseCalls, replicas, parallel];
if (!given.every((each) => Number.isInteger(each) && Number(each) >= 1 && Number(each) <= 10_000)) {
  console.error('--seconds, --lease-calls, --replicas and --parallel are whole numbers from 1 to 10000');
  process.exit(2);
}
const lease = { calls: leaseCalls ?? 0, ms: 2_000 };

/** One round of one way. Times of the server in microseconds. */
interface Round {
  readonly calls: number;
  readonly perSecond: number;
  /** Processor time of the server, of everything it does. */
  readonly cpuPerCall: number;
  /** What the server says that scripts took. */
  readonly scriptPerCall: number;
  readonly scriptsPerCall: number;
}

const closers: (() => Promise<unknown>)[] = [];
try {
  process.exitCode = await benchmark();
} finally {
  for (const close of closers.reverse()) await close();
}

async function benchmark(): Promise<number> {
  const server = await startRedis();
  closers.push(() => server.stop());
  const subject = await openBeside(server, { clock: steppedClock(systemClock.now()) });
  closers.push(() => subject.close());
  const calls = callsOn(subject);
  await calls.funded('acme', 1e15);
  const top = await calls.minted('TOP00000', { accountId: 'acme', budgets: [budget(1e15, 'day'), budget(1e15)] });
  const key = await calls.minted('LEAF0000', {
    accountId: 'acme',
    parentIds: ['TOP00000'],
    budgets: [budget(1e15)],
    caps: [cap(1e9, 'hour')],
  });
  const ledgers = await Promise.all(Array.from({ length: replicas ?? 0 }, () => openReplica(server)));

  const measured: Record<'plain' | 'leased', Round[]> = { plain: [], leased: [] };
  let made = 0;
  for (let round = 0; round <= rounds; round += 1) {
    for (const way of round % 2 === 0 ? (['plain', 'leased'] as const) : (['leased', 'plain'] as const)) {
      const one = await measure({ server, ledgers, key, top, leased: way === 'leased', ms: round === 0 ? 500 : (seconds ?? 0) * 1000 });
      made += one.calls;
      // The first round warms up.
      if (round > 0) measured[way].push(one);
    }
  }
  await Promise.all(ledgers.map(({ close }) => close()));
  const wrong = await check(subject, { key, top, made });
  tell({ measured, made, wrong });
  return wrong.length === 0 ? 0 : 1;
}

interface Replica {
  readonly ledger: Ledger;
  close(): Promise<void>;
}

async function openReplica(server: TestRedis): Promise<Replica> {
  const connection = await openConnection(server.url);
  closers.push(() => connection.close());
  const options = { connection, clock: systemClock, calendar: createCalendar(), instance: randomUUID(), thresholds: () => [50, 80, 100] };
  return withLeases(createRedisLedger(options), options);
}

async function measure(options: {
  server: TestRedis;
  ledgers: readonly Replica[];
  key: KeyRecord;
  top: KeyRecord;
  leased: boolean;
  ms: number;
}): Promise<Round> {
  const { server, ledgers, key, top, leased, ms } = options;
  const root = rootOf(key);
  const before = await statsOf(server);
  const began = performance.now();
  let calls = 0;
  const caller = async ({ ledger }: Replica): Promise<void> => {
    while (performance.now() - began < ms) {
      calls += 1;
      const reservationId = randomUUID();
      const now = systemClock.now();
      const changes = { reservationId, ancestors: [top], price: micros(price), now, ...(leased && { lease }) };
      const { kind } = await ledger.admit(admitRequest(key, changes));
      if (kind !== 'admitted') throw new Error(`A call was ${kind}.`);
      await ledger.settle({
        root,
        reservationId,
        charge: micros(price),
        now: systemClock.now(),
        outcome: { ...outcomeFacts, keyId: key.id },
      });
    }
  };
  await Promise.all(ledgers.flatMap((each) => Array.from({ length: parallel ?? 0 }, () => caller(each))));
  const after = await statsOf(server);
  return {
    calls,
    perSecond: (calls / (performance.now() - began)) * 1000,
    cpuPerCall: (after.cpu - before.cpu) / calls,
    scriptPerCall: (after.script - before.script) / calls,
    scriptsPerCall: (after.scripts - before.scripts) / calls,
  };
}

async function statsOf(server: TestRedis): Promise<{ cpu: number; script: number; scripts: number }> {
  const [cpu, commands] = await Promise.all([server.cli('INFO', 'cpu'), server.cli('INFO', 'commandstats')]);
  const field = (text: string, pattern: RegExp) => Number(pattern.exec(text)?.[1] ?? '0');
  return {
    cpu: (field(cpu, /^used_cpu_user:(\S+)/m) + field(cpu, /^used_cpu_sys:(\S+)/m)) * 1e6,
    script: field(commands, /^cmdstat_evalsha:calls=\d+,usec=(\d+)/m),
    scripts: field(commands, /^cmdstat_evalsha:calls=(\d+)/m),
  };
}

async function check(subject: RedisSubject, { key, top, made }: { key: KeyRecord; top: KeyRecord; made: number }): Promise<string[]> {
  const wrong: string[] = [];
  const charges = [...chargesOf(await outcomesOf(subject, rootOf(key))).values()];
  const charged = charges.reduce((sum, charge) => sum + charge, 0);
  if (charges.length !== made) wrong.push(`${made} calls have ${charges.length} outcomes`);
  if (charged !== made * price) wrong.push(`${made} calls were charged ${charged}`);
  for (const [name, [spent, held]] of Object.entries(await callsOn(subject).usage(key, [top]))) {
    const right = name.includes('cap') ? made : name.includes('balance') ? 0 : charged;
    if (spent !== right || held !== 0) wrong.push(`${name} says ${spent} spent and ${held} held, not ${right} and 0`);
  }
  return wrong;
}

/** Page by page: there may be a million, and the server must not be held up for longer than a command may take. */
async function outcomesOf({ life }: RedisSubject, root: string): Promise<RecordFacts[]> {
  const outcomes: RecordFacts[] = [];
  for (let from = '-'; ; ) {
    const page = await life.connection.client.xrange(inPartition.journal(partitionOf(root)), from, '+', 'COUNT', 500);
    for (const [id, fields] of page) {
      const all = (entriesOfRow(id, fields) ?? []).map((entry) => factsOfEntry(entry).facts);
      outcomes.push(...all.filter(({ kind }) => kind === 'call.outcome'));
    }
    const [last] = page.at(-1) ?? [];
    if (last === undefined) return outcomes;
    from = `(${last}`;
  }
}

function tell({ measured, made, wrong }: { measured: Record<'plain' | 'leased', Round[]>; made: number; wrong: readonly string[] }): void {
  for (const each of wrong) console.log(`WRONG: ${each}`);
  if (wrong.length === 0) console.log(`correct: ledger and journal agree on ${made} calls`);
  console.log(
    `\n${replicas} replicas, ${parallel} calls at once each, leases of ${leaseCalls}; median of ${rounds} rounds of ${seconds} s\n`,
  );
  const median = (way: 'plain' | 'leased', of: keyof Round) =>
    measured[way].map((one) => one[of]).sort((a, b) => a - b)[rounds >> 1] ?? Number.NaN;
  const rows = [
    ['perSecond', 'calls (admit and settle) in a second'],
    ['cpuPerCall', 'processor time of Redis per call, µs'],
    ['scriptPerCall', 'of it in scripts, µs'],
    ['scriptsPerCall', 'scripts per call'],
  ] as const;
  const row = (cells: readonly string[]) => console.log(cells.map((cell, at) => cell.padEnd(at === 0 ? 40 : 14)).join(''));
  row(['', 'one by one', 'from leases', 'ratio']);
  for (const [of, title] of rows) {
    const [plain, leased] = [median('plain', of), median('leased', of)];
    row([title, plain.toFixed(2), leased.toFixed(2), (leased / plain).toFixed(2)]);
  }
}
