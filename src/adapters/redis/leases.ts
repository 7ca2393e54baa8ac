import type { Calendar } from '../../domain/calendar.ts';
import { formatMicros } from '../../domain/money.ts';
import { checkAdmit } from '../../domain/reservation.ts';
import type { Clock } from '../../ports/clock.ts';
import type { AdmitRequest, Ledger, SettleRequest } from '../../ports/ledger.ts';
import type { RunCall } from './grouped.ts';
import { entryArguments } from './key-entry.ts';
import type { KnownAccounts } from './known-accounts.ts';
import { partitionOf } from './layout.ts';
import { accountOf, planText } from './plan.ts';
import { outcomeArguments, requireWithinHold } from './settle.ts';

/** Calls that one hold was taken for. What becomes of each is decided in the store; this is what the process remembers of it. */
interface Lease {
  readonly id: string;
  readonly partition: string;
  /** At most, until the store has said how many they are. */
  calls: number;
  state: 'asked' | 'taken' | 'closing';
  /** How many draws were sent and not refused. */
  drawn: number;
  /** Monotonic time after which nothing is drawn any more. */
  readonly until: number;
  readonly running: Set<string>;
  readonly settled: string[];
  readonly timer: NodeJS.Timeout;
}

/** All calls that may share a lease: of one key line as it was judged, one tool, one price. */
interface Queue {
  lease: Lease | undefined;
  /** Monotonic times: of the last call, and before which no lease is asked for again because there was no room for one. */
  last: number;
  notBefore: number;
}

/** Draws calls from leases, and ends what was drawn. False everywhere means: this is for the ledger itself. */
export interface Leases {
  draw(request: AdmitRequest): Promise<boolean>;
  /** Whether a lease may have the call. */
  drew(reservationId: string): boolean;
  settle(request: SettleRequest): Promise<boolean>;
  renew(request: Parameters<Ledger['renew']>[0]): Promise<boolean>;
  /** Gives back what was not drawn. Calls that run go on. */
  close(): Promise<void>;
}

const queuesMax = 10_000;
/** A sweep leaves a lease to its owner for this long after its end, in milliseconds. */
const ownersMs = 5_000;
/** How long a call of which nobody knows whether it was drawn is looked for in its lease, in milliseconds. */
const doubtMs = 60_000;
/** The last tenth of a lease's time is for what is on its way. */
const drawnShare = 0.9;

/** @param options.run  a call of lease-acts.lua */
export function createLeases(options: {
  run: RunCall;
  accounts: KnownAccounts;
  clock: Clock;
  calendar: Calendar;
  nextName: () => string;
}): Leases {
  const { run, accounts, clock, calendar, nextName } = options;
  const queues = new Map<string, Queue>();
  const open = new Set<Lease>();
  const drawnFrom = new Map<string, Lease>();

  const forget = (lease: Lease, ids: Iterable<string>): void => {
    for (const id of ids) if (drawnFrom.get(id) === lease) drawnFrom.delete(id);
  };

  const end = (lease: Lease): void => {
    lease.state = 'closing';
    clearTimeout(lease.timer);
    open.delete(lease);
    forget(lease, lease.settled);
  };

  /** Never rejects: a lease that could not be closed is closed by a sweep. */
  const close = async (lease: Lease): Promise<void> => {
    if (lease.state === 'closing') return;
    end(lease);
    const { id, partition, running } = lease;
    try {
      await run(partition, ['close', id, String(clock.now()), String(running.size), ...running]);
      forget(lease, running);
    } catch {
      // The calls that run are asked for at the lease first: whether it is closed is not known.
    }
  };

  const take = (request: AdmitRequest, { calls, ms }: { calls: number; ms: number }, queue: Queue): Lease => {
    const begun = clock.monotonic();
    const last = request.now + ms;
    const partition = partitionOf(request.root);
    const timer = setTimeout(() => void close(lease), ms).unref();
    const until = begun + ms * drawnShare;
    const lease: Lease = { id: nextName(), partition, calls, state: 'asked', drawn: 0, until, running: new Set(), settled: [], timer };
    open.add(lease);
    const ask = accounts.with(accountOf(request), (account) => {
      const plan = planText({ call: request, account, calendar });
      return run(partition, ['take', lease.id, plan, String(request.now), String(calls), String(last), String(last + ownersMs)]);
    });
    ask.then(
      (answer) => {
        const [, taken] = /^taken (\d+)$/.exec(answer) ?? [];
        if (taken === undefined) {
          queue.notBefore = clock.monotonic() + ms;
          return end(lease);
        }
        lease.calls = Number(taken);
        if (lease.state === 'asked') lease.state = 'taken';
      },
      () => close(lease),
    );
    return lease;
  };

  const queueOf = (name: string): Queue => {
    const known = queues.get(name);
    if (known) return known;
    for (const [oldest, { lease }] of queues) {
      if (queues.size < queuesMax) break;
      if (lease) void close(lease);
      queues.delete(oldest);
    }
    const queue: Queue = { lease: undefined, last: Number.NEGATIVE_INFINITY, notBefore: Number.NEGATIVE_INFINITY };
    queues.set(name, queue);
    return queue;
  };

  /** Calls that come one by one, further apart than a lease lasts, would only hold what they do not need. */
  const leaseFor = (request: AdmitRequest): Lease | undefined => {
    const terms = request.lease;
    if (!terms || !request.counts || (request.totals?.length ?? 0) > 0) return undefined;
    if (!(Number.isSafeInteger(terms.calls) && terms.calls >= 2 && Number.isSafeInteger(terms.ms) && terms.ms >= 1)) {
      throw new Error('A lease is for 2 calls or more, and for a whole number of milliseconds.');
    }
    const queue = queueOf(nameOf(request, terms));
    const now = clock.monotonic();
    const since = now - queue.last;
    queue.last = now;
    const { lease } = queue;
    if (lease && lease.state !== 'closing' && lease.drawn < lease.calls && now < lease.until) return lease;
    queue.lease = undefined;
    if (since < terms.ms && now >= queue.notBefore) queue.lease = take(request, terms, queue);
    return queue.lease;
  };

  return {
    async draw(request) {
      checkAdmit(request);
      const lease = leaseFor(request);
      if (!lease) return false;
      const { reservationId, price, intent, now, holdUntil } = request;
      const [time, facts] = entryArguments({ ...intent, decision: 'allowed', held: formatMicros(price), reservationId }, now);
      lease.drawn += 1;
      lease.running.add(reservationId);
      drawnFrom.set(reservationId, lease);
      const asked = run(lease.partition, ['draw', lease.id, reservationId, time, String(holdUntil), facts]);
      const answer = await asked.catch((error: unknown) => {
        // Whether the call was drawn is not known. Its caller gives up, and for a while tries to give back what it may hold.
        setTimeout(() => forget(lease, [reservationId]), doubtMs).unref();
        throw error;
      });
      if (answer === 'drawn') return true;
      lease.running.delete(reservationId);
      forget(lease, [reservationId]);
      // More draws than calls were sent before the store had said how many there are, or the lease is good for nothing any more.
      if (lease.state === 'taken' && lease.drawn <= lease.calls) void close(lease);
      lease.drawn -= 1;
      return false;
    },
    drew: (reservationId) => drawnFrom.has(reservationId),
    async settle(request) {
      const { reservationId, charge } = request;
      const lease = drawnFrom.get(reservationId);
      if (!lease) return false;
      const [time, facts] = outcomeArguments(request);
      const answer = await run(lease.partition, ['settle', lease.id, reservationId, String(charge), time, facts]);
      if (answer === 'ended') {
        forget(lease, [reservationId]);
        return false;
      }
      requireWithinHold(answer, charge);
      if (lease.running.delete(reservationId)) lease.settled.push(reservationId);
      if (lease.state === 'closing') forget(lease, [reservationId]);
      // The script has closed it.
      else if (lease.settled.length === lease.calls) end(lease);
      return true;
    },
    async renew({ reservationId, holdUntil }) {
      const lease = drawnFrom.get(reservationId);
      if (!lease || !Number.isFinite(holdUntil)) return false;
      return (await run(lease.partition, ['renew', lease.id, reservationId, String(holdUntil)])) === 'renewed';
    },
    async close() {
      await Promise.all([...open].map(close));
    },
  };
}

function nameOf({ key, ancestors, tool, price, onExpiry }: AdmitRequest, { calls, ms }: { calls: number; ms: number }): string {
  const line = [key, ...ancestors].map(({ id, revision }) => [id, revision]);
  return JSON.stringify([line, tool, price, onExpiry, calls, ms]);
}
