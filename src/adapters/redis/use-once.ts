import { createHash } from 'node:crypto';
import type { Clock } from '../../ports/clock.ts';
import type { Connection, Script } from './connection.ts';
import { elsewhere } from './layout.ts';

/** Remembered longer than asked for, so that no two gateways' clocks have to agree. */
const slackMs = 60_000;
/** The server refuses times beyond its own range. */
const msMax = 100 * 366 * 24 * 3_600_000;

/**
 * Remembers an id, by its hash, because it may be any text of any length. The server forgets it by its own clock. A script, because an id that a
 * failover forgets could be used again, and run() sees to that.
 */
export async function useOnce(
  { connection, clock, script }: { connection: Pick<Connection, 'run'>; clock: Clock; script: Script },
  { id, until }: { id: string; until: number },
): Promise<boolean> {
  if (!Number.isFinite(until)) throw new Error('A one-time id needs a time to be forgotten at.');
  const ms = Math.ceil(Math.min(Math.max(0, until - clock.now()) + slackMs, msMax));
  return (await connection.run(script, [nameOf(id)], [String(ms)])) === 1;
}

/** Which of the ids are remembered. One command each, since in a cluster they are on different nodes. */
export async function remembers({ client }: Pick<Connection, 'client'>, ids: readonly string[]): Promise<boolean[]> {
  const known = await Promise.all(ids.map((id) => client.exists(nameOf(id))));
  return known.map((count) => count === 1);
}

function nameOf(id: string): string {
  return elsewhere.once(createHash('sha256').update(id).digest('hex'));
}
