import type { Redis } from 'ioredis';
import { StoreUnreachable } from '../../ports/store.ts';
import { siblingKey } from './run-script.ts';

/** Asks a node whether all that was written to it so far is kept as it should be. @throws StoreUnreachable where it is not, or not in time */
export type Ask = (node: Redis, key: string) => Promise<void>;

/**
 * One question answers for every commit before it, so a node is asked once at a time: whoever comes meanwhile shares the next question.
 * (The connection waits with the question, so asking for each commit alone would let one through at a time.)
 */
export function shareQuestions(ask: Ask): Ask {
  const running = new WeakMap<Redis, Promise<void>>();
  const next = new WeakMap<Redis, Promise<void>>();
  return (node, key) => {
    const planned = next.get(node);
    if (planned) return planned;
    const before = running.get(node) ?? Promise.resolve();
    const asked = before
      .catch(() => undefined)
      .then(() => {
        next.delete(node);
        const question = ask(node, key);
        running.set(node, question);
        return question;
      });
    next.set(node, asked);
    return asked;
  };
}

const markMs = 60_000;

/** Waits until so many replicas have received everything that was written before. */
export function askReplicas({ replicas, waitMs }: { replicas: number; waitMs: number }): Ask {
  return async (node, key) => {
    const [, received] = await Promise.all([mark(node, key), node.wait(replicas, waitMs)]);
    if (!(received >= replicas)) {
      throw new StoreUnreachable(`Redis did not hear from ${replicas} replicas within ${waitMs} ms, but from ${received}.`);
    }
  };
}

/** Waits until everything that was written before is in the append-only file on disk. */
export function askDisk({ waitMs }: { waitMs: number }): Ask {
  return async (node, key) => {
    const [, kept] = await Promise.all([mark(node, key), node.call('WAITAOF', '1', '0', String(waitMs))]);
    if (!Array.isArray(kept) || !(Number(kept[0]) >= 1)) throw new StoreUnreachable(`Redis did not write to disk within ${waitMs} ms.`);
  };
}

/**
 * WAIT speaks of what its own connection wrote. A script that found its work done already, over a connection since lost, wrote nothing:
 * this write stands for everything that the server has written before it.
 */
async function mark(node: Redis, key: string): Promise<void> {
  await node.set(siblingKey(key, 'mark'), '', 'PX', markMs);
}
