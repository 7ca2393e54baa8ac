import { Denial } from '../domain/denial.ts';
import { deadReason, holdsSecret } from '../domain/key.ts';
import type { Callers } from '../ports/callers.ts';
import type { Clock } from '../ports/clock.ts';
import type { Ledger } from '../ports/ledger.ts';
import type { Live, LiveEntry } from '../ports/live.ts';
import type { Log } from '../ports/observe.ts';

export interface LiveCalls extends Live {
  /** One round: cuts the streams of dead keys, renews holds that are half used. Called by a timer; never throws. */
  tend(): void;
  /** Cuts every stream that only waits (GET), so that a drain can end, and lets no new one in. */
  endStreams(): void;
  /** Cuts whatever is still running, and lets nothing new in. */
  endAll(): void;
}

/** How often `tend` must run for streams of dead keys to be cut within a second (I3), in milliseconds. */
export const tendEveryMs = 400;
/** Streams are cut when the store has not answered for this long (I3), in milliseconds. */
const storeSilenceMsMax = 60_000;

type Running = LiveEntry & { heldUntil: number; renewing: boolean };

export function createLiveCalls(options: {
  callers: Callers;
  ledger: Ledger;
  clock: Clock;
  log: Log;
  limits: () => { streamsMax: number; streamsPerKeyMax: number; holdMsMax: number };
}): LiveCalls {
  const { callers, ledger, clock, log } = options;
  const entries = new Set<Running>();
  const streamsOf = new Map<string, number>();
  let streams = 0;
  let ended: 'streams' | 'all' | undefined;
  let storeHeardAt = clock.monotonic();

  const countStream = (entry: LiveEntry, by: 1 | -1) => {
    if (entry.kind !== 'stream') return;
    streams += by;
    const left = (streamsOf.get(entry.keyId) ?? 0) + by;
    if (left > 0) streamsOf.set(entry.keyId, left);
    else streamsOf.delete(entry.keyId);
  };

  /** Why this entry's key may not go on; undefined while it may. */
  const deathOf = (entry: LiveEntry): Parameters<LiveEntry['cut']>[0] | undefined => {
    const caller = callers.byId(entry.keyId);
    const now = clock.now();
    storeHeardAt = clock.monotonic();
    if (!caller) return 'TOKEN_REVOKED';
    for (const key of [caller.key, ...caller.ancestors]) {
      const reason = deadReason(key, now);
      if (reason) return reason;
    }
    // The key lives on, but what it was opened with may have ended: a secret by rotation, an access token by its age.
    if (entry.digest !== undefined && !holdsSecret(caller.key, { digest: entry.digest, now })) return 'TOKEN_REVOKED';
    return entry.expiresAt !== undefined && now >= entry.expiresAt ? 'TOKEN_EXPIRED' : undefined;
  };

  const renew = (entry: Running, holdMsMax: number) => {
    if (!entry.hold || entry.renewing || entry.heldUntil - clock.now() > holdMsMax / 2) return;
    const { root, reservationId } = entry.hold;
    const holdUntil = clock.now() + holdMsMax;
    const renewed = ledger.renew({ root, reservationId, holdUntil });
    entry.renewing = true;
    renewed
      .then(
        (running) => {
          // A hold that was captured has nothing left to renew; the settle of the call corrects it.
          entry.heldUntil = running ? holdUntil : Number.POSITIVE_INFINITY;
        },
        (error: unknown) => log.fault('the hold of a running call could not be renewed', error),
      )
      .finally(() => {
        entry.renewing = false;
      });
  };

  return {
    get size() {
      return entries.size;
    },
    enter(entry) {
      // A request that came before the drain began may get here only after everything was cut.
      if (ended === 'all' || (ended === 'streams' && entry.kind === 'stream')) throw new Denial('DRAINING');
      const { streamsMax, streamsPerKeyMax } = options.limits();
      if (entry.kind === 'stream' && (streams >= streamsMax || (streamsOf.get(entry.keyId) ?? 0) >= streamsPerKeyMax)) {
        throw new Denial('OVERLOADED', { detail: 'Too many open streams.', facts: { retryAfterMs: 1000 } });
      }
      // What enters was admitted by the store a moment ago.
      storeHeardAt = clock.monotonic();
      const running: Running = Object.assign({ heldUntil: entry.hold?.until ?? 0, renewing: false }, entry);
      entries.add(running);
      countStream(entry, 1);
      return () => {
        if (entries.delete(running)) countStream(entry, -1);
      };
    },
    tend() {
      const { holdMsMax } = options.limits();
      let trouble: unknown;
      for (const entry of entries) {
        try {
          const death = entry.kind === 'stream' || entry.streaming() ? deathOf(entry) : undefined;
          if (death) entry.cut(death);
          else renew(entry, holdMsMax);
        } catch (error) {
          trouble = error;
          if (clock.monotonic() - storeHeardAt > storeSilenceMsMax) entry.cut('STORE_UNAVAILABLE');
        }
      }
      // Once a round, not once a stream: there may be thousands.
      if (trouble !== undefined) log.fault('the store did not answer for the running streams', trouble);
    },
    endStreams() {
      ended ??= 'streams';
      for (const entry of entries) if (entry.kind === 'stream') entry.cut('DRAINING');
    },
    endAll() {
      ended = 'all';
      for (const entry of entries) entry.cut('DRAINING');
    },
  };
}
