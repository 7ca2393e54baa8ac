import { setTimeout as pause } from 'node:timers/promises';
import type { Acknowledgement } from '../../ports/keyring.ts';
import type { Connection } from './connection.ts';
import { compareEntryIds } from './feed-entry.ts';
import { elsewhere } from './layout.ts';
import { loadScript } from './scripts.ts';

/** Every gateway process of the store: which there are, and how far each has come with the feed of key changes. */
export interface Replicas {
  /**
   * Says that this process lives and has acted on the feed up to an entry, where it is one of them. Answers the feed's oldest and newest entries
   * ('' where it has none).
   */
  beat(acted: string): Promise<{ oldest: string; newest: string }>;
  /** Makes this process one of them. */
  join(acted: string): Promise<void>;
  leave(): Promise<void>;
  /** Waits until every one that is alive has acted on the feed up to an entry. @throws Error where the store cannot be asked in time */
  acknowledged(target: () => Promise<string>, withinMs: number): Promise<Acknowledgement>;
}

/** Nobody waits for a replica that was silent for longer, in ms; it is pending. */
const silentMsMax = 3000;
/** A replica that was silent for longer is taken for dead, in ms. Without the feed it judges nothing by what it remembers any more. */
const deadMs = 10_000;
const pauseMsMax = 32;

interface Row {
  readonly name: string;
  readonly silentMs: number;
  readonly acted: string;
}

/** @param options.name  names this process life to operators; never used twice */
export function createReplicas({ connection, name }: { connection: Connection; name: string }): Replicas {
  const scripts = { beat: loadScript('feed-beat'), rows: loadScript('feed-replicas') };
  let joined = false;

  const beat = async (acted: string) => {
    const answer = await connection.run(scripts.beat, [elsewhere.changes, elsewhere.replicas], [joined ? name : '', acted]);
    const [oldest = '', newest = ''] = answer as string[];
    return { oldest, newest };
  };

  const rows = async (): Promise<Row[]> => {
    const texts = (await connection.run(scripts.rows, [elsewhere.replicas], [String(deadMs)])) as string[];
    return Array.from({ length: texts.length / 3 }, (_, at) => {
      const [of = '', silentMs, acted = ''] = texts.slice(at * 3, at * 3 + 3);
      return { name: of, silentMs: Number(silentMs), acted };
    });
  };

  return {
    beat,
    join: async (acted) => {
      joined = true;
      await beat(acted);
    },
    leave: async () => {
      if (!joined) return;
      joined = false;
      await connection.client.hdel(elsewhere.replicas, name);
    },
    acknowledged: (target, withinMs) => waitFor({ rows, target, withinMs }),
  };
}

async function waitFor(options: { rows: () => Promise<Row[]>; target: () => Promise<string>; withinMs: number }): Promise<Acknowledgement> {
  const { rows, target, withinMs } = options;
  const over = new AbortController();
  const bound = pause(withinMs, undefined, { signal: over.signal }).then(
    () => 'over' as const,
    () => 'over' as const,
  );
  let seen: { rows: readonly Row[]; wanted: string } | undefined;
  let cause: unknown;
  const look = async (): Promise<'done' | 'again'> => {
    try {
      const wanted = await target();
      seen = { rows: await rows(), wanted };
      const awaited = seen.rows.filter((row) => row.silentMs <= silentMsMax);
      return awaited.every((row) => hasActed(row, wanted)) ? 'done' : 'again';
    } catch (error) {
      cause = error;
      return 'again';
    }
  };
  try {
    for (let pauseMs = 1; ; pauseMs = Math.min(pauseMs * 2, pauseMsMax)) {
      const outcome = await Promise.race([look(), bound]);
      if (outcome !== 'again') break;
      if ((await Promise.race([pause(pauseMs, 'again' as const), bound])) === 'over') break;
    }
  } finally {
    over.abort();
  }
  if (!seen) {
    throw new Error('The change is made, but the store does not say which replicas have acted on it.', { cause });
  }
  const { wanted } = seen;
  const names = (acted: boolean) => seen?.rows.filter((row) => hasActed(row, wanted) === acted).map((row) => row.name) ?? [];
  return { acknowledged: names(true).sort(), pending: names(false).sort() };
}

function hasActed({ acted }: Row, wanted: string): boolean {
  return compareEntryIds(acted, wanted) >= 0;
}
