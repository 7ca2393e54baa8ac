import { createCounts } from '../domain/counts.ts';
import { Denial } from '../domain/denial.ts';
import { lineDeath, openingDeath } from '../domain/line-death.ts';
import { TurnoverMap } from '../domain/turnover-map.ts';
import type { Caller, Callers } from '../ports/callers.ts';
import type { Clock } from '../ports/clock.ts';
import type { Ledger } from '../ports/ledger.ts';
import type { Live, LiveEntry } from '../ports/live.ts';
import type { Log } from '../ports/observe.ts';

export interface LiveCalls extends Live {
  /**
   * One round: cuts the streams of dead keys, has those of changed keys judged anew, renews holds that are half used. Called by a timer;
   * a round that is still running is not joined by another. Never rejects.
   */
  tend(): Promise<void>;
  /**
   * The same judgement at once for the streams of these keys and of all that descend from them, or of every key.
   * @throws Error where the store did not answer for one of them, so nobody can say that all were judged
   */
  heard(changed: readonly string[] | 'all'): Promise<void>;
  /** Cuts every stream that only waits (GET), so that a drain can end, and lets no new one in. */
  endStreams(): void;
  /** Cuts whatever is still running, and lets nothing new in. */
  endAll(): void;
}

/** How often `tend` must run for streams of dead keys to be cut within a second (I3), in milliseconds. */
export const tendEveryMs = 400;
/** Streams are cut when the store has not answered for this long, in milliseconds: within a minute (I3), whatever a last question waits. */
const storeSilenceMsMax = 54_000;
/** Keys asked for at once. */
const batchKeys = 64;
/** Longest wait for the answers about a batch, in milliseconds: a store that hangs must not end the rounds. */
const batchMsMax = 5_000;

interface Running {
  readonly entry: LiveEntry;
  heldUntil: number;
  renewing: boolean;
  judgedBy: Caller | undefined;
}

/** What runs for one key. */
interface LiveKey {
  readonly id: string;
  readonly entries: TurnoverMap<Running, Running>;
  streams: number;
  /** The key's ancestors, which never change; undefined until it was judged once. */
  ancestors?: readonly string[];
}

export function createLiveCalls(options: {
  callers: Pick<Callers, 'byId'>;
  ledger: Pick<Ledger, 'renew'>;
  clock: Clock;
  log: Log;
  limits: () => { streamsMax: number; streamsPerKeyMax: number; streamsPerAddressMax: number; holdMsMax: number };
}): LiveCalls {
  const { callers, ledger, clock, log } = options;
  const keys = new TurnoverMap<string, LiveKey>();
  let size = 0;
  let streams = 0;
  const streamsFrom = createCounts();
  let ended: 'streams' | 'all' | undefined;
  let tending = false;
  let storeHeardAt = clock.monotonic();

  const everyEntry = () => keys.values().flatMap(({ entries }) => entries.values());

  /** Asks once for the key, whatever runs for it. What entered meanwhile was admitted by newer records than may be read here. */
  const judgeKey = async (key: LiveKey, late: Promise<never>): Promise<void> => {
    const concerned = key.entries.values().filter(({ entry }) => isStreaming(entry));
    if (concerned.length === 0) return;
    const caller = await Promise.race([callers.byId(key.id), late]);
    storeHeardAt = clock.monotonic();
    if (caller) key.ancestors ??= caller.key.parentIds;
    const now = clock.now();
    // Once for all: thousands of streams may be of one key.
    const dead = caller ? lineDeath([caller.key, ...caller.ancestors], now) : 'TOKEN_REVOKED';
    for (const running of concerned) {
      const { entry } = running;
      const death = dead ?? (caller && openingDeath(entry, caller.key, now));
      if (death) entry.cut(death);
      else if (caller && running.judgedBy !== caller) {
        running.judgedBy = caller;
        entry.rejudge?.(caller);
      }
    }
  };

  const judgeOrCut = async (key: LiveKey, late: Promise<never>): Promise<unknown> => {
    try {
      await judgeKey(key, late);
      return undefined;
    } catch (error) {
      const silentMs = clock.monotonic() - storeHeardAt;
      if (silentMs > storeSilenceMsMax) {
        for (const { entry } of key.entries.values()) if (isStreaming(entry)) entry.cut('STORE_UNAVAILABLE');
      }
      return error ?? new Error('no reason was given');
    }
  };

  /** Resolves to what kept the store from answering for one of them, or undefined. */
  const judge = async (concerned: readonly LiveKey[]): Promise<unknown> => {
    let trouble: unknown;
    for (let at = 0; at < concerned.length; at += batchKeys) {
      const { promise: late, reject } = Promise.withResolvers<never>();
      late.catch(() => undefined);
      const timer = setTimeout(() => reject(new Error(`the store did not answer within ${batchMsMax} ms`)), batchMsMax);
      const answers = await Promise.all(concerned.slice(at, at + batchKeys).map((key) => judgeOrCut(key, late)));
      clearTimeout(timer);
      trouble ??= answers.find((answer) => answer !== undefined);
    }
    return trouble;
  };

  const renew = (running: Running, holdMsMax: number): void => {
    const { hold } = running.entry;
    if (!hold || running.renewing || running.heldUntil - clock.now() > holdMsMax / 2) return;
    const { root, reservationId } = hold;
    const holdUntil = clock.now() + holdMsMax;
    running.renewing = true;
    const renewed = async () => {
      // A hold that was captured has nothing left to renew; the settle of the call corrects it.
      running.heldUntil = (await ledger.renew({ root, reservationId, holdUntil })) ? holdUntil : Number.POSITIVE_INFINITY;
    };
    renewed()
      .catch((error: unknown) => log.fault('the hold of a running call could not be renewed', error))
      .finally(() => {
        running.renewing = false;
      });
  };

  const take = (entry: LiveEntry): (() => void) => {
    const known = keys.get(entry.keyId);
    const key: LiveKey = known ?? { id: entry.keyId, entries: new TurnoverMap(), streams: 0 };
    const running: Running = { entry, heldUntil: entry.hold?.until ?? 0, renewing: false, judgedBy: undefined };
    const stream = entry.kind === 'stream' ? 1 : 0;
    if (!known) keys.set(key.id, key);
    key.entries.set(running, running);
    key.streams += stream;
    streams += stream;
    if (stream > 0 && entry.address !== undefined) streamsFrom.add(entry.address, 1);
    size += 1;
    return () => {
      if (!key.entries.delete(running)) return;
      key.streams -= stream;
      streams -= stream;
      if (stream > 0 && entry.address !== undefined) streamsFrom.add(entry.address, -1);
      size -= 1;
      if (key.entries.size === 0) keys.delete(key.id);
    };
  };

  return {
    get size() {
      return size;
    },
    enter(entry) {
      // A request that came before the drain began may get here only after everything was cut.
      if (ended === 'all' || (ended === 'streams' && entry.kind === 'stream')) throw new Denial('DRAINING');
      if (entry.kind === 'stream') {
        const { streamsMax, streamsPerKeyMax, streamsPerAddressMax } = options.limits();
        const ofKey = keys.get(entry.keyId)?.streams ?? 0;
        const ofAddress = entry.address === undefined ? 0 : streamsFrom.of(entry.address);
        if (streams >= streamsMax || ofKey >= streamsPerKeyMax || ofAddress >= streamsPerAddressMax) {
          throw new Denial('OVERLOADED', { detail: 'Too many open streams.', facts: { retryAfterMs: 1000 } });
        }
      }
      // What enters was admitted by the store a moment ago.
      storeHeardAt = clock.monotonic();
      return take(entry);
    },
    async tend() {
      if (tending) return;
      tending = true;
      try {
        const { holdMsMax } = options.limits();
        for (const running of everyEntry()) renew(running, holdMsMax);
        const trouble = await judge(keys.values());
        // Once a round, not once a stream: there may be thousands.
        if (trouble !== undefined) log.fault('the store did not answer for the running streams', trouble);
      } finally {
        tending = false;
      }
    },
    async heard(changed) {
      const ids = changed === 'all' ? undefined : new Set(changed);
      const isConcerned = ({ id, ancestors }: LiveKey) => !ids || !ancestors || ids.has(id) || ancestors.some((each) => ids.has(each));
      const trouble = await judge(keys.values().filter(isConcerned));
      if (trouble !== undefined) throw new Error('The store did not answer for streams of keys that changed.', { cause: trouble });
    },
    endStreams() {
      ended ??= 'streams';
      for (const { entry } of everyEntry()) if (entry.kind === 'stream') entry.cut('DRAINING');
    },
    endAll() {
      ended = 'all';
      for (const { entry } of everyEntry()) entry.cut('DRAINING');
    },
  };
}

function isStreaming(entry: LiveEntry): boolean {
  return entry.kind === 'stream' || entry.streaming();
}
