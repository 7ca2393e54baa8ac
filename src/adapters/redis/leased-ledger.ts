import type { Calendar } from '../../domain/calendar.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Ledger } from '../../ports/ledger.ts';
import type { Connection } from './connection.ts';
import { groupCalls } from './grouped.ts';
import { createKnownAccounts } from './known-accounts.ts';
import { sweepLeases } from './lease-sweep.ts';
import { createLeases } from './leases.ts';
import { loadScript, scriptOf } from './scripts.ts';
import { createWriteNames } from './write-names.ts';

/** How long the store remembers a closed lease, in milliseconds: longer than a script can be on its way. */
const closedMsKept = 60_000;

/**
 * A ledger that admits calls from leases where they ask for it and there is room. What a lease cannot do the ledger itself does, so nothing is
 * refused, nor told, because of one.
 */
export function withLeases(
  ledger: Ledger,
  options: { connection: Connection; clock: Clock; calendar: Calendar; instance: string; thresholds: () => readonly number[] },
): { ledger: Ledger; close(): Promise<void> } {
  const { connection, clock, calendar, instance, thresholds } = options;
  const script = scriptOf('lease', ['ledger', 'lease', 'lease-acts'].map((part) => loadScript(part).source).join('\n'));
  const first = () => [JSON.stringify(thresholds()), instance, String(closedMsKept)];
  const run = groupCalls({ connection, script, argumentsOf: (acts) => [...first(), ...acts.flat()] });
  const nextName = createWriteNames(instance);
  const leases = createLeases({ run, accounts: createKnownAccounts(), clock, calendar, nextName });
  const admitLeased: Ledger['admit'] = async (request) => {
    if (!(await leases.draw(request))) return ledger.admit(request);
    return { kind: 'admitted', reservationId: request.reservationId };
  };
  const settleLeased: Ledger['settle'] = async (request) => {
    if (!(await leases.settle(request))) await ledger.settle(request);
  };
  return {
    ledger: {
      ...ledger,
      admit: (request) => (request.lease === undefined ? ledger.admit(request) : admitLeased(request)),
      settle: (request) => (leases.drew(request.reservationId) ? settleLeased(request) : ledger.settle(request)),
      renew: async (request) => (await leases.renew(request)) || ledger.renew(request),
      sweep: async (request) => {
        const closed = await sweepLeases({ client: connection.client, run }, request).catch((error: unknown) => ({ error }));
        const captured = await ledger.sweep(request);
        if (closed) throw closed.error;
        return captured;
      },
    },
    close: () => leases.close(),
  };
}
