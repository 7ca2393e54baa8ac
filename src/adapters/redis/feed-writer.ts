import type { Connection } from './connection.ts';
import { compareEntryIds, type FeedEntry, feedFields } from './feed-entry.ts';
import { elsewhere } from './layout.ts';
import { loadScript } from './scripts.ts';

/** A change that was announced and is not yet made. */
export interface Begun {
  readonly key: string;
  /** Id of the entry that announced it. */
  readonly entry: string;
  /** Milliseconds of the server's clock, after which the change must not be made any more. */
  readonly deadline: number;
}

/** Writes what this process has to say into the feed. */
export interface FeedWriter {
  begin(key: string): Promise<Begun>;
  /** Never reject: what could not be said is said when the store answers again. */
  end(begun: Begun): Promise<void>;
  added(key: string): Promise<void>;
  /** Says that this process listens from now on. */
  joined(): Promise<{ entry: string }>;
  /** Says what could not be said before. Rejects where it still cannot. */
  catchUp(): Promise<void>;
  /** Id of the last change that this process announced as made; '' where there is none. */
  readonly last: string;
}

/** About how many changes the feed keeps: a process that falls further behind begins anew. */
const entriesKept = 10_000;
/** How long after its announcement a change may be made, in ms. */
const deadlineMs = 5000;
/** How many entries wait for a store that does not answer; each is about a change that others wait out by time anyway. */
const owedMax = 1000;

type Said = Omit<FeedEntry, 'id'>;

export function createFeedWriter({ connection, instance }: { connection: Connection; instance: string }): FeedWriter {
  const script = loadScript('feed-add');
  const owed: Said[] = [];
  let last = '';

  const write = async (said: Said): Promise<{ entry: string; at: number }> => {
    const answer = await connection.run(script, [elsewhere.changes], [String(entriesKept), ...feedFields(said)]);
    const [entry = '', at] = answer as string[];
    return { entry, at: Number(at) };
  };

  /** Announces what was made. */
  const tell = async (said: Said): Promise<void> => {
    const { entry } = await write(said);
    if (compareEntryIds(entry, last) > 0) last = entry;
  };

  const tellOrOwe = async (said: Said): Promise<void> => {
    try {
      await tell(said);
    } catch {
      if (owed.length >= owedMax) owed.shift();
      owed.push(said);
    }
  };

  return {
    async begin(key) {
      const { entry, at } = await write({ kind: 'begin', key, origin: instance, begun: '' });
      return { key, entry, deadline: at + deadlineMs };
    },
    end: ({ key, entry }) => tellOrOwe({ kind: 'done', key, origin: instance, begun: entry }),
    added: (key) => tellOrOwe({ kind: 'added', key, origin: instance, begun: '' }),
    joined: () => write({ kind: 'joined', key: '', origin: instance, begun: '' }),
    async catchUp() {
      for (let said = owed[0]; said !== undefined; said = owed[0]) {
        await tell(said);
        // Whoever else says it at the same time says it twice, which is harmless.
        if (owed[0] === said) owed.shift();
      }
    },
    get last() {
      return last;
    },
  };
}
