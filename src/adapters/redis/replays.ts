import { createHash } from 'node:crypto';
import { replayMsKept } from '../../domain/reservation.ts';
import type { Replay, Replays } from '../../ports/replays.ts';
import type { Connection } from './connection.ts';
import { elsewhere } from './layout.ts';
import { loadScript } from './scripts.ts';

/** How much longer than it counts an attempt is kept by the server's clock, in ms, for callers whose clocks are behind. */
const slackMs = 60_000;

/** The replays port on Redis. Ids are kept by their hash, because they may be any text of any length. */
export function createReplays({ connection, nextName }: { connection: Connection; nextName: () => string }): Replays {
  const scripts = { begin: loadScript('replay-begin'), end: loadScript('replay-end') };
  const nameOf = (id: string): string => elsewhere.replay(createHash('sha256').update(id).digest('hex'));
  const keptMs = String(replayMsKept + slackMs);
  return {
    async begin({ id, bodyHash, now }) {
      if (!Number.isSafeInteger(now)) throw new Error('An attempt needs the time.');
      const args = [bodyHash, String(now), String(now + replayMsKept), nextName(), keptMs];
      return replayOf((await connection.run(scripts.begin, [nameOf(id)], args)) as string[]);
    },
    async finish({ id, status, body, now }) {
      if (!Number.isSafeInteger(now)) throw new Error('An answer needs the time.');
      await connection.run(scripts.end, [nameOf(id)], [String(now), String(now + replayMsKept), String(status), body, keptMs]);
    },
    async forget(id) {
      await connection.run(scripts.end, [nameOf(id)], []);
    },
  };
}

function replayOf([kind, status, body = '']: readonly string[]): Replay {
  switch (kind) {
    case 'new':
    case 'running':
    case 'mismatch':
      return { kind };
    case 'answered':
      return { kind, status: Number(status), body };
    default:
      throw new Error('The store does not say what became of the attempt.');
  }
}
