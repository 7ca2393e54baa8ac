import type { Calendar } from '../../domain/calendar.ts';
import type { RecordFacts } from '../../domain/record.ts';
import { endedMsKept } from '../../domain/reservation.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Ledger } from '../../ports/ledger.ts';
import { changeBalance, createAccount, limitAccount, readAccount } from './accounts.ts';
import { actArguments } from './act-arguments.ts';
import { type Admitting, admit, preview } from './admit.ts';
import type { Connection, Script } from './connection.ts';
import { groupCalls } from './grouped.ts';
import { entryArguments } from './key-entry.ts';
import { createKnownAccounts } from './known-accounts.ts';
import { partitionOf, rememberPartitions } from './layout.ts';
import { createPlans } from './plans.ts';
import { loadScript, scriptOf } from './scripts.ts';
import { renew, settle } from './settle.ts';
import { sweep } from './sweep.ts';
import { usage } from './usage.ts';
import { remembers, useOnce } from './use-once.ts';
import { createWriteNames } from './write-names.ts';

/**
 * The ledger port on Redis: each act is one script in the partition of its root, so any number of gateways may act on one root at once. Calls that
 * come in one turn of the event loop share a script. A rejected promise leaves the act unknown; asking again with the same reservation or
 * reference does it once.
 * @param options.instance  names this process life in the holds it takes; never used twice
 * @param options.thresholds  percentages at which limits are reported, in rising order
 */
export function createRedisLedger(options: {
  connection: Connection;
  clock: Clock;
  calendar: Calendar;
  instance: string;
  thresholds: () => readonly number[];
}): Ledger {
  const { connection, clock, calendar, instance, thresholds } = options;
  if (instance.includes('\n')) throw new Error('The name of a process life is one line.');
  const acting = groupCalls({
    connection,
    script: joined('acts', ['ledger', 'finish', 'admit', 'settle', 'acts']),
    argumentsOf: (acts) => actArguments([JSON.stringify(thresholds()), instance, String(endedMsKept)], acts),
  });
  const partitionOf = rememberPartitions();
  const admitting: Admitting = { plans: createPlans(calendar), accounts: createKnownAccounts(), run: acting, partitionOf };
  const recording = groupCalls({ connection, script: loadScript('record'), argumentsOf: (records) => records.flat() });
  const sweeping = { connection, script: joined('sweep', ['ledger', 'finish', 'sweep']), thresholds };
  const renewing = loadScript('renew');
  const once = { connection, clock, script: loadScript('use-once') };
  const accounts = {
    connection,
    scripts: { put: loadScript('account-put'), change: loadScript('account-change') },
    nextName: createWriteNames(instance),
  };
  return {
    admit: (request) => admit(admitting, request),
    preview: (request) => preview(admitting, request),
    settle: (request) => settle({ run: acting, partitionOf }, request),
    renew: (request) => renew(connection, renewing, request),
    record: async (facts) => {
      await recording(partitionOfRecord(facts), entryArguments(facts, clock.now()));
    },
    useOnce: (used) => useOnce(once, used),
    remembers: (ids) => remembers(connection, ids),
    sweep: (request) => sweep(sweeping, request),
    createAccount: (request) => createAccount(accounts, request),
    account: (id) => readAccount(connection, id),
    limitAccount: (request) => limitAccount(accounts, request),
    credit: (request) => changeBalance(accounts, { ...request, kind: 'credit' }),
    adjust: (request) => changeBalance(accounts, { ...request, kind: 'adjustment' }),
    usage: (request) => usage(connection, calendar, request),
  };
}

/** Scripts cannot call each other, so what several need is put before each. */
function joined(name: string, parts: readonly string[]): Script {
  return scriptOf(name, parts.map((part) => loadScript(part).source).join('\n'));
}

/** Any partition will do for a record that takes nothing; records about one account or key are kept together. */
function partitionOfRecord({ account, keyId, requestId }: RecordFacts): string {
  if (account !== undefined) return partitionOf(`account:${account}`);
  return partitionOf(keyId !== undefined ? `key:${keyId}` : (requestId ?? 'keygate'));
}
