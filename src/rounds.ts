import { announceExpiring } from './authority/expiring.ts';
import type { Composed } from './compose.ts';
import type { Log } from './ports/observe.ts';
import { systemClock } from './system-clock.ts';

const sweepEveryMs = 2_000;
const flushEveryMs = 5_000;
const checkpointEveryMs = 30_000;
const pruneEveryMs = 3_600_000;
const announceEveryMs = 600_000;
const keepUpEveryMs = 2_000;
const webhooksEveryMs = 1_000;

export interface Rounds {
  /** Ends the timers, then does each round once more, so that nothing counted is lost and the journal's head is signed. */
  stop(): Promise<void>;
}

/**
 * What happens in the background: streams of dead keys cut, holds swept, counts journalled, the journal signed and pruned, ends of keys
 * announced, webhooks sent. What one process of all does well enough is a duty.
 */
export function startRounds(composed: Composed, { retainMs, log }: { retainMs: number; log: Log }): Rounds {
  const { live, ledger, journal, tally, duties, webhooks } = composed;
  const now = () => systemClock.now();
  const onDuty = (name: string, everyMs: number, act: () => Promise<unknown>) => async () => {
    // Held over two missed rounds: by then its holder is gone.
    if (await duties.hold(name, everyMs * 2.5)) await act();
  };
  const sweep = () => ledger.sweep({ now: now() });
  const sign = () => journal.checkpoint(now());
  const prune = () => journal.prune({ before: now() - retainMs, now: now() });
  const announce = () => announceExpiring(composed.api.authority);

  const timers = [
    every(composed.tendEveryMs, 'streams', () => live.tend(), log),
    every(sweepEveryMs, 'sweep', onDuty('sweep', sweepEveryMs, sweep), log),
    every(flushEveryMs, 'tally', () => tally.flush(), log),
    every(checkpointEveryMs, 'checkpoint', sign, log),
    every(keepUpEveryMs, 'journal', () => journal.keepUp(now()), log),
    every(pruneEveryMs, 'prune', onDuty('prune', pruneEveryMs, prune), log),
    every(announceEveryMs, 'expiring keys', onDuty('announce', announceEveryMs, announce), log),
    every(webhooksEveryMs, 'webhooks', () => webhooks.round(), log),
  ];
  return {
    async stop() {
      for (const timer of timers) clearInterval(timer);
      // Others need not wait until this process is taken for gone.
      for (const name of ['sweep', 'prune', 'announce']) await duties.release(name).catch(() => undefined);
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
