import { setTimeout as pause } from 'node:timers/promises';
import type { Cluster, Redis } from 'ioredis';
import type { Clock } from '../../ports/clock.ts';
import type { Connection } from './connection.ts';
import { compareEntryIds, entryIdBefore, type FeedEntry, readFeedEntry } from './feed-entry.ts';
import { elsewhere } from './layout.ts';

/** Reads the feed, entry by entry, for as long as the process lives. */
export interface Following {
  /** When all that stood in the feed had been read, by the monotonic clock; negative infinity where that was never. */
  readonly heardAt: number;
  /** Begins to read; resolves when everything is read. */
  start(): Promise<void>;
  close(): Promise<void>;
}

/** What reads from the feed. */
export interface Follower {
  /** Entries as they come; some may come again. */
  heard(entries: readonly FeedEntry[]): void;
  /** Entries may have been missed: the feed was cut, is gone, or went back to an older state. */
  missed(): void;
  /** Says that this process lives. Resolves to the feed's oldest and newest entries, '' where it has none. */
  beat(): Promise<{ oldest: string; newest: string }>;
  /** Nothing before this entry was missed without `missed`. */
  reached(entry: string): Promise<void>;
  /** Puts an entry of its own into the feed and resolves to its id. */
  join(): Promise<string>;
}

/** How long the server waits for news before it says that there are none, in ms. */
const blockMs = 200;
const batchMax = 1000;
/** A reader begins this much before the present, in ms: it has to hear of changes that have begun and are not done. */
const lookBackMs = 15_000;
const startMsMax = 10_000;
const retryMs = { first: 50, max: 1000 };

/**
 * Follows the stream of key changes on a connection of its own. A stream loses nothing while a connection is down, and each answer, even an
 * empty one, proves that nothing was missed up to when it was asked for.
 */
export function followFeed({ connection, clock, follower }: { connection: Connection; clock: Clock; follower: Follower }): Following {
  const closing = new AbortController();
  const closed = Promise.withResolvers<null>();
  const firstHeard = Promise.withResolvers<void>();
  let reader: Redis | Cluster | undefined;
  let loop: Promise<void> | undefined;
  let position = '';
  /** The last entry up to which nothing was cut out of the stream; it stands there until younger ones are cut. Undefined at a new beginning. */
  let proven: string | undefined;
  /** The newest entry that the master was seen to have: what is asked for next has to come up to it. */
  let promised = '';
  /** The connection was lost, and with it perhaps a master with entries that no replica had. */
  let broken = false;
  let heardAt = Number.NEGATIVE_INFINITY;

  /** Writes an entry to read from, so that the place to read on from is always one that stood in the stream. */
  const anchor = async (): Promise<void> => {
    position = entryIdBefore(await follower.join(), lookBackMs);
    proven = undefined;
  };

  const ask = async (from: Redis | Cluster): Promise<FeedEntry[]> => {
    try {
      const asked = from.xread('COUNT', batchMax, 'BLOCK', blockMs, 'STREAMS', elsewhere.changes, position);
      const answer = await Promise.race([asked, closed.promise]);
      return (answer?.[0]?.[1] ?? []).map(readFeedEntry);
    } catch (error) {
      broken = true;
      throw error;
    }
  };

  /** Asks for what is new, and whether what was asked for is the same stream as before, with nothing cut out of it. */
  const readOn = async (from: Redis | Cluster): Promise<void> => {
    if (position === '') await anchor();
    const askedAt = clock.monotonic();
    const entries = await ask(from);
    if (closing.signal.aborted) return;
    if (broken) follower.missed();
    broken = false;
    position = entries.at(-1)?.id ?? position;
    follower.heard(entries);
    const isAll = entries.length < batchMax;
    const behind = isAll && compareEntryIds(position, promised) < 0;
    const { oldest, newest } = await follower.beat();
    promised = newest;
    // A server that was the master once and does not know better has nothing new, for ever. A new connection finds the one that is.
    if (behind) return from.disconnect(true);
    const cut = proven === undefined ? entries.length === 0 : oldest === '' || compareEntryIds(oldest, proven) > 0;
    if (cut || compareEntryIds(newest, position) < 0) {
      follower.missed();
      return anchor();
    }
    proven = position;
    await follower.reached(position);
    if (!isAll) return;
    heardAt = askedAt;
    firstHeard.resolve();
  };

  const follow = async (from: Redis | Cluster): Promise<void> => {
    for (let wait = retryMs.first; !closing.signal.aborted; ) {
      try {
        await readOn(from);
        wait = retryMs.first;
      } catch {
        await pause(wait, undefined, { signal: closing.signal }).catch(() => undefined);
        wait = Math.min(wait * 2, retryMs.max);
      }
    }
  };

  return {
    get heardAt() {
      return heardAt;
    },
    async start() {
      if (!reader) {
        reader = connection.dedicated();
        // A command that waits for a new connection does not fail with the old one; these tell.
        for (const event of ['close', '-node', 'node error']) reader.on(event, () => (broken = true));
        loop = follow(reader);
      }
      const late = pause(startMsMax, 'late' as const, { signal: closing.signal, ref: false }).catch(() => 'late' as const);
      if ((await Promise.race([firstHeard.promise, late])) === 'late') throw new Error('The feed of key changes does not answer.');
    },
    async close() {
      closing.abort();
      closed.resolve(null);
      reader?.disconnect();
      await loop;
    },
  };
}
