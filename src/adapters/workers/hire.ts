import cluster, { type Worker } from 'node:cluster';
import type { Clock } from '../../ports/clock.ts';
import type { Acknowledgement } from '../../ports/keyring.ts';
import type { Log } from '../../ports/observe.ts';
import type { Throttle } from '../../ports/throttle.ts';
import type { Addresses, AsksOfPrimary, AsksOfWorker } from './asks.ts';
import { pauseAfter } from './pause.ts';
import { createMetricSums } from './sum-metrics.ts';
import { createTalk, type Talk } from './talk.ts';

/** The processes that serve, towards the one that started them. */
export interface HiredCrew<Change> {
  /** Resolves once all serve. @throws Error with the reason of the first that cannot; then all have been ended */
  readonly serving: Promise<Addresses>;
  /** Tells all of them of a configuration; resolves to whether it is in force with any of those that serve, or none does. */
  change(change: Change): Promise<boolean>;
  /** Has all of them drain. Who has not ended after so many milliseconds is killed; resolves to whether nobody was. */
  drain(withinMs: number): Promise<boolean>;
}

interface Hand<Change> {
  readonly worker: Worker;
  readonly talk: Talk<AsksOfPrimary<Change>>;
  readonly since: number;
  /** How long its place had been left empty before it, in milliseconds. */
  readonly pausedMs: number;
  readonly ended: Promise<void>;
  serving: boolean;
  /** What the others were told while it started. */
  behind?: Change;
}

/** Who does not serve by then never will. */
const startMsMax = 120_000;
const changeMsMax = 60_000;
const metricsMsMax = 2_000;
const drainMsMax = 5_000;

/**
 * Starts the processes that serve, as this program with the arguments that it was started with, and starts one anew where one has died. Each has
 * listeners of its own at the same ports: Node's own way, by which this process would deal connections to them, leaves those open for ever that it had dealt to
 * one that died (seen), and costs a new connection twice as much (measured).
 * @param options.start  what a worker begins with: asked anew for each
 */
export function hireCrew<Start, Change>(options: {
  count: number;
  start: () => Promise<Start>;
  throttle: Throttle;
  clock: Pick<Clock, 'monotonic'>;
  log: Log;
}): HiredCrew<Change> {
  const { count, start, throttle, clock, log } = options;
  // Configurations are more than JSON can carry.
  cluster.setupPrimary({ serialization: 'advanced' });
  const hands = new Set<Hand<Change>>();
  /** Places whose next worker is waited for. */
  const empty = new Set<NodeJS.Timeout>();
  const sums = createMetricSums();
  const served = Promise.withResolvers<Addresses>();
  let [allServed, ending] = [false, false];
  const servingNow = (): Hand<Change>[] => [...hands].filter(({ serving }) => serving);

  const metrics = async (): Promise<string> => {
    const asked = servingNow().map(async ({ worker, talk }) => {
      return [worker.id, await talk.ask('metrics', undefined, metricsMsMax).catch(() => undefined)] as const;
    });
    return await sums.text(new Map(await Promise.all(asked)));
  };
  /** The one that asks has acted already. */
  const heard = async (asking: Hand<Change>, keyIds: readonly string[], withinMs: number): Promise<Acknowledgement> => {
    const [acknowledged, pending]: [string[], string[]] = [[nameOf(asking)], []];
    const others = servingNow().filter((hand) => hand !== asking);
    await Promise.all(
      others.map(async (hand) => {
        const acted = await hand.talk.ask('heard', keyIds, withinMs).then(
          () => true,
          // One that has died meanwhile has no streams left.
          () => !hands.has(hand),
        );
        if (hands.has(hand)) (acted ? acknowledged : pending).push(nameOf(hand));
      }),
    );
    return { acknowledged, pending };
  };
  const failed = (reason: string): void => {
    if (allServed || ending) return void log.fault('a worker cannot serve', new Error(reason));
    ending = true;
    for (const { worker } of hands) worker.process.kill('SIGKILL');
    void Promise.all([...hands].map(({ ended }) => ended)).then(() => served.reject(new Error(reason)));
  };
  const hire = (pausedMs: number): void => {
    const worker = cluster.fork();
    const over = Promise.withResolvers<void>();
    const talk = createTalk<AsksOfWorker<Start>, AsksOfPrimary<Change>>(channelOf(worker), {
      begin: start,
      serving(addresses) {
        hand.serving = true;
        clearTimeout(late);
        if (hand.behind !== undefined) void talk.ask('change', hand.behind, changeMsMax).catch(() => undefined);
        // It may have been dismissed while it started.
        if (ending) void talk.ask('drain', undefined, drainMsMax).catch(() => undefined);
        if (servingNow().length === count && !allServed) {
          allServed = true;
          served.resolve(addresses);
        } else if (allServed) log.note('a worker serves again', { worker: worker.id });
        return undefined;
      },
      failed(reason) {
        failed(reason);
        return undefined;
      },
      take: (request) => throttle.take(request),
      metrics,
      heard: ({ keyIds, withinMs }) => heard(hand, keyIds, withinMs),
    });
    const hand: Hand<Change> = { worker, talk, since: clock.monotonic(), pausedMs, ended: over.promise, serving: false };
    hands.add(hand);
    const late = setTimeout(() => worker.process.kill('SIGKILL'), startMsMax);
    worker.on('error', (error) => log.fault('a worker cannot be reached', error, { worker: worker.id }));
    worker.once('exit', (code, signal) => {
      clearTimeout(late);
      hands.delete(hand);
      talk.end();
      sums.left(worker.id);
      over.resolve();
      if (ending) return;
      const why = new Error(`worker ${worker.id} ended with ${signal ?? `exit code ${code}`}`);
      if (!allServed) return failed(why.message);
      const pauseMs = pauseAfter({ livedMs: clock.monotonic() - hand.since, pausedMs });
      log.fault('a worker died; another one is started', why, { worker: worker.id, pid: worker.process.pid, pauseMs });
      const waiting = setTimeout(() => {
        empty.delete(waiting);
        hire(pauseMs);
      }, pauseMs);
      empty.add(waiting);
    });
  };
  for (let started = 0; started < count; started += 1) hire(0);

  return {
    serving: served.promise,
    async change(change) {
      for (const hand of hands) if (!hand.serving) hand.behind = change;
      const taken = await Promise.all(servingNow().map(({ talk }) => talk.ask('change', change, changeMsMax).catch(() => false)));
      return taken.length === 0 || taken.includes(true);
    },
    async drain(withinMs) {
      ending = true;
      for (const waiting of empty) clearTimeout(waiting);
      const all = [...hands];
      let orderly = true;
      const late = setTimeout(() => {
        orderly = false;
        log.fault('workers did not end in time and are killed', new Error(`not within ${withinMs} ms`));
        for (const { worker } of hands) worker.process.kill('SIGKILL');
      }, withinMs);
      for (const { talk } of all) void talk.ask('drain', undefined, drainMsMax).catch(() => undefined);
      await Promise.all(all.map(({ ended }) => ended));
      clearTimeout(late);
      return orderly;
    },
  };
}

function nameOf({ worker }: { worker: Worker }): string {
  return `worker ${worker.id}`;
}

function channelOf(worker: Worker) {
  return {
    send(message: object, failed: (error: Error) => void) {
      worker.send(message, undefined, undefined, (error: Error | null) => error && failed(error));
    },
    onMessage: (listener: (message: unknown) => void) => void worker.on('message', listener),
  };
}
