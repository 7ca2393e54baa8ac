import { setTimeout as wait } from 'node:timers/promises';
import type { Outcome } from './replica-call.ts';
import type { Replicas } from './replicas.ts';

/** Callers that call one after the other, over all replicas in turn, until they are stopped. */
export interface Load {
  /** Resolves after so many more answers that are not `lost`. */
  answered(count: number): Promise<void>;
  /** Lets every caller end its call. Rejects where one got no answer at all. */
  stop(): Promise<readonly Outcome[]>;
}

/** After an answer that says try later, in ms: what is down is not asked in a tight circle. */
const laterMs = 10;

/** @param options.next  the next call of a caller; its tool is a name that no other call has */
export function startLoad(options: { replicas: Pick<Replicas, 'all'>; callers: number; next: () => { key: string; tool: string } }): Load {
  const { replicas, callers, next } = options;
  const outcomes: Outcome[] = [];
  const waiting = new Set<() => void>();
  let answers = 0;
  let stopped = false;

  const caller = async (number: number): Promise<void> => {
    for (let turn = number; !stopped; turn += 1) {
      const replica = replicas.all[turn % replicas.all.length];
      if (replica === undefined) throw new Error('there is no replica');
      const { key, tool } = next();
      const outcome = await replica.call(key, tool);
      outcomes.push(outcome);
      if (outcome.result !== 'lost') answers += 1;
      for (const look of waiting) look();
      if (outcome.status === 503 || outcome.result === 'lost') await wait(laterMs);
    }
  };
  const running = Promise.all(Array.from({ length: callers }, (_, number) => caller(number)));
  // Whoever waits is told by `answered` or `stop`; until then nobody may be listening.
  running.catch(() => undefined);

  return {
    async answered(count) {
      const wanted = answers + count;
      const reached = Promise.withResolvers<void>();
      const look = () => {
        if (answers >= wanted) reached.resolve();
      };
      waiting.add(look);
      await Promise.race([reached.promise, running]).finally(() => waiting.delete(look));
    },
    async stop() {
      stopped = true;
      await running;
      return outcomes;
    },
  };
}

/** mulberry32: small, and the same everywhere. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
