import { announceExpiring } from './authority/expiring.ts';
import type { Composed } from './compose.ts';
import type { Log } from './ports/observe.ts';
import { systemClock } from './system-clock.ts';

const sweepEveryMs = 2_000;
const flushEveryMs = 5_000;
const checkpointEveryMs = 30_000;
const pruneEveryMs = 3_600_000;
const announceEveryMs = 600_000;

export interface Rounds {
  /** Ends the timers, then does each round once more, so that nothing counted is lost and the journal's head is signed. */
  stop(): Promise<void>;
}

/** What happens in the background: streams of dead keys cut, holds swept, counts journalled, the journal signed and pruned, ends of keys announced. */
export function startRounds(composed: Composed, { retainMs, log }: { retainMs: number; log: Log }): Rounds {
  const { live, ledger, journal, tally } = composed;
  const now = () => systemClock.now();
  const sweep = () => ledger.sweep({ now: now() });
  const sign = () => journal.checkpoint(now());
  const prune = () => journal.prune({ before: now() - retainMs, now: now() });

  const timers = [
    setInterval(() => live.tend(), composed.tendEveryMs),
    every(sweepEveryMs, 'sweep', sweep, log),
    every(flushEveryMs, 'tally', () => tally.flush(), log),
    every(checkpointEveryMs, 'checkpoint', sign, log),
    every(pruneEveryMs, 'prune', prune, log),
    every(announceEveryMs, 'expiring keys', () => announceExpiring(composed.api.authority), log),
  ];
  return {
    async stop() {
      for (const timer of timers) clearInterval(timer);
      for (const [name, round] of [
        ['tally', () => tally.flush()],
        ['sweep', sweep],
        ['checkpoint', sign],
      ] as const) {
        await round().catch((error: unknown) => log.fault(`the last ${name} round failed`, error));
      }
    },
  };
}

/** One round at a time: a slow one is not overtaken by the next. */
function every(ms: number, name: string, round: () => Promise<unknown>, log: Log): NodeJS.Timeout {
  let running = false;
  return setInterval(() => {
    if (running) return;
    running = true;
    round()
      .catch((error: unknown) => log.fault(`a ${name} round failed`, error))
      .finally(() => {
        running = false;
      });
  }, ms);
}
