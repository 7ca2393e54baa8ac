import { createHash } from 'node:crypto';
import { replayMsKept } from '../../domain/reservation.ts';
import type { Replay, Replays } from '../../ports/replays.ts';
import type { Attempt } from './attempt.ts';
import { dueKey } from './reservation.ts';
import type { Tables } from './tables.ts';

/** The replays port on LMDB. Ids are kept by their hash, because they may be any text of any length. */
export function createReplays(tables: Tables): Replays {
  const hashed = (id: string): string => createHash('sha256').update(id).digest('hex');
  return {
    begin: (request) => tables.commit(() => begin(tables, { ...request, id: hashed(request.id) })),
    finish: (request) => tables.commit(() => finish(tables, { ...request, id: hashed(request.id) })),
    forget: (id) => tables.commit(() => forget(tables, hashed(id))),
  };
}

function begin(tables: Tables, { id, bodyHash, now }: Parameters<Replays['begin']>[0]): Replay {
  if (!Number.isFinite(now)) throw new Error('An attempt needs the time.');
  const stored = tables.replays.get(id);
  if (stored && now < stored.forgetAt) {
    if (stored.bodyHash !== bodyHash) return { kind: 'mismatch' };
    return stored.answer ? { kind: 'answered', ...stored.answer } : { kind: 'running' };
  }
  put(tables, id, { stored, attempt: { bodyHash, forgetAt: now + replayMsKept } });
  return { kind: 'new' };
}

/** The first answer stands. An attempt that was forgotten since is not remembered anew. */
function finish(tables: Tables, { id, status, body, now }: Parameters<Replays['finish']>[0]): void {
  if (!Number.isFinite(now)) throw new Error('An answer needs the time.');
  const stored = tables.replays.get(id);
  if (!stored || stored.answer) return;
  put(tables, id, { stored, attempt: { bodyHash: stored.bodyHash, forgetAt: now + replayMsKept, answer: { status, body } } });
}

/** An attempt that was answered had its effect, so it stays. */
function forget(tables: Tables, id: string): void {
  const stored = tables.replays.get(id);
  if (!stored || stored.answer) return;
  tables.due.remove(dueKey(stored.forgetAt, 'replay', id));
  tables.replays.remove(id);
}

function put(tables: Tables, id: string, { stored, attempt }: { stored: Attempt | undefined; attempt: Attempt }): void {
  if (stored) tables.due.remove(dueKey(stored.forgetAt, 'replay', id));
  tables.replays.put(id, attempt);
  tables.due.put(dueKey(attempt.forgetAt, 'replay', id), true);
}
