import type { Clock } from '../../ports/clock.ts';
import type { Crew } from '../../ports/crew.ts';
import { createAskedThrottle } from './asked-throttle.ts';
import type { Addresses, AsksOfPrimary, AsksOfWorker, MetricValues } from './asks.ts';
import { createTalk } from './talk.ts';

/** What this worker does when it is asked, from when on it serves. */
export interface Acts<Change> {
  heard(keyIds: readonly string[]): Promise<void>;
  metrics(): Promise<readonly MetricValues[]>;
  /** Resolves to whether it is in force now. */
  change(change: Change): Promise<boolean>;
}

/** This process as a worker, towards the one that started it. */
export interface Member<Start, Change> {
  begin(): Promise<Start>;
  crew(gateway: string): Crew;
  serving(addresses: Addresses, acts: Acts<Change>): Promise<void>;
  /** Why it cannot serve. */
  failed(reason: string): Promise<void>;
  /** Resolves when it is to end. */
  readonly dismissed: Promise<void>;
  /** The process may end: nothing is waited for any more. */
  leave(): void;
}

/** A busy machine takes so long to start others beside. */
const startMsMax = 60_000;
/** A count is made at once, or the process that counts is stuck. */
const takeMsMax = 5_000;
const metricsMsMax = 10_000;
/** What the way there and back may take beyond what is waited for there. */
const wayMsMax = 500;

/**
 * Ties this process to the one that started it: when that is gone, by whatever cause, this one ends at once as if it had been killed too, since
 * another gateway may take the store from then on, and a worker must not outlive the claim that it serves under.
 */
export function joinCrew<Start, Change>({ clock }: { clock: Pick<Clock, 'monotonic'> }): Member<Start, Change> {
  const acting = Promise.withResolvers<Acts<Change>>();
  const dismissed = Promise.withResolvers<void>();
  // Before Node's own listener, which would end the process in good order.
  process.prependListener('disconnect', () => process.kill(process.pid, 'SIGKILL'));
  const talk = createTalk<AsksOfPrimary<Change>, AsksOfWorker<Start>>(
    {
      send: (message, failed) => void process.send?.(message, undefined, undefined, (error) => error && failed(error)),
      onMessage: (listener) => void process.on('message', listener),
    },
    {
      heard: async (keyIds) => {
        await (await acting.promise).heard(keyIds);
        return undefined;
      },
      metrics: async () => (await acting.promise).metrics(),
      change: async (change) => (await acting.promise).change(change),
      drain: () => {
        dismissed.resolve();
        return undefined;
      },
    },
  );
  return {
    begin: () => talk.ask('begin', undefined, startMsMax),
    crew: (gateway) => ({
      gateway,
      throttle: createAskedThrottle({ clock, ask: (request) => talk.ask('take', request, takeMsMax) }),
      metrics: () => talk.ask('metrics', undefined, metricsMsMax),
      heard: (keyIds, withinMs) => talk.ask('heard', { keyIds, withinMs }, withinMs + wayMsMax),
    }),
    async serving(addresses, acts) {
      acting.resolve(acts);
      await talk.ask('serving', addresses, startMsMax);
    },
    async failed(reason) {
      await talk.ask('failed', reason, startMsMax);
    },
    dismissed: dismissed.promise,
    leave: () => process.channel?.unref(),
  };
}
