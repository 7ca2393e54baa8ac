import { setTimeout as wait } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { type Composed, composeGateway } from './compose.ts';
import type { Surroundings } from './compose-store.ts';
import type { Config } from './config/schema.ts';
import { type Asked, type ConfigSource, openFileSource } from './config-source.ts';
import { countBuffersWithHeap } from './count-buffers-with-heap.ts';
import { TurnoverMap } from './domain/turnover-map.ts';
import { connectionsFor } from './edges/descriptors.ts';
import { openListeners, type Serving } from './edges/serve.ts';
import { endOnFault } from './end-on-fault.ts';
import type { Crew } from './ports/crew.ts';
import type { RequestPlace } from './ports/load.ts';
import type { Log } from './ports/observe.ts';
import { startRounds } from './rounds.ts';
import { serveWithWorkers } from './serve-with-workers.ts';
import { systemClock } from './system-clock.ts';
import { takeConfig } from './take-config.ts';

export interface ServeOptions extends Surroundings {
  readonly log: Log;
  readonly version: string;
}

/** A gateway that listens. */
export interface RunningGateway {
  readonly mcpUrl: string;
  readonly adminUrl: string;
  readonly config: Config;
  readonly composed: Composed;
  /** Reads the configuration again; the last good one stays in force where the new one has problems. */
  reload(): Promise<void>;
  /** Ready no more, streams ended, calls finished and settled, journal signed; bounded by `limits.drainMsMax`. */
  drain(): Promise<void>;
}

interface Shared {
  readonly crew: Crew;
  readonly ports: { readonly mcp: number; readonly admin: number };
}

/** Starts one gateway process. @throws CommandFailure for a bad configuration, Error where a listener or the store cannot be opened */
export async function startGateway(options: ServeOptions): Promise<RunningGateway> {
  return await startFrom(await openFileSource(options), options);
}

/**
 * @param options.shared  where this process serves with others: who they are, and the ports that all of them listen on
 * @throws Error where a listener or the store cannot be opened
 */
export async function startFrom(
  source: ConfigSource,
  { log, version, shared }: Pick<ServeOptions, 'log' | 'version'> & { shared?: Shared },
): Promise<RunningGateway> {
  const { config } = source;
  countBuffersWithHeap();
  const composed = await composeGateway(config, { log, crew: shared?.crew });
  const running = new TurnoverMap<Promise<void>, Promise<void>>();
  let draining = false;

  const track = ({ place }: { place?: RequestPlace }, call: Promise<void>): Promise<void> => {
    running.set(call, call);
    return call.finally(() => {
      running.delete(call);
      place?.leave();
    });
  };
  let listeners: Serving;
  try {
    listeners = await openListeners({
      serve: (arrived) => track(arrived, composed.serve(arrived)),
      servePassthrough: (arrived) => track(arrived, composed.servePassthrough(arrived)),
      api: composed.api,
      policy: composed.policy,
      clock: systemClock,
      newId: composed.newId,
      publicJwks: composed.publicJwks,
      listen: shared ? listenAt(config.listen, shared.ports) : config.listen,
      reusePort: shared !== undefined,
      limits: config.limits,
      connections: connectionsFor(config.limits.connectionsMax, log),
      load: composed.load,
      metrics: composed.metrics,
      version,
      trouble: () => composed.trouble(),
      health: () => composed.health(),
    });
  } catch (error) {
    await composed.close();
    throw error;
  }
  composed.boundTo(listeners.mcpUrl);
  const rounds = startRounds(composed, { retainMs: config.journal.retainMs, log });
  let { drainMsMax } = config.limits;
  let reloading = Promise.resolve();
  let away = false;
  const reload = (asked: Asked = 'by change'): Promise<void> => {
    // One after the other: of two that overlap, the one that read the older text could be the last to take effect.
    const reloaded = reloading.then(async () => {
      away = composed.trouble() !== undefined;
      const next = await source.read();
      if (draining) return;
      if (next.ok) {
        drainMsMax = next.config.limits.drainMsMax;
        // Most rounds find what was there before, which is nothing to put on record.
        if (asked === 'by refresh' && isDeepStrictEqual(next.config, composed.config())) return;
      }
      await takeConfig(composed, { next, config, log });
    });
    reloading = reloaded.catch(() => undefined);
    void reloading.then(async () => {
      // What came while the store was away could not be judged: it is read again until it was.
      if (!away && composed.trouble() === undefined) return;
      await wait(reloadAgainMs, undefined, { ref: false });
      if (!draining) await reload('by refresh').catch((error) => log.fault('a reload failed', error));
    });
    return reloaded;
  };
  const following = source.follow(reload);

  return {
    mcpUrl: listeners.mcpUrl,
    adminUrl: listeners.adminUrl,
    config,
    composed,
    reload: () => reload(),
    async drain() {
      draining = true;
      listeners.startDraining();
      following.close();
      composed.live.endStreams();
      // The listener stays open while calls run, so that whoever comes meanwhile is told DRAINING and not cut off.
      await within(drainMsMax, Promise.allSettled(running.values()));
      composed.live.endAll();
      await listeners.closeData(within(lastAnswersMs, untilEmpty(running)));
      await rounds.stop();
      await listeners.closeAdmin();
      await composed.close();
    },
  };
}

function listenAt(listen: Config['listen'], { mcp, admin }: Shared['ports']): Config['listen'] {
  return { ...listen, mcp: { ...listen.mcp, port: mcp }, admin: { ...listen.admin, port: admin } };
}

const reloadAgainMs = 1_000;
/** What calls that were cut get to answer and settle; whatever still runs then loses its connections. */
const lastAnswersMs = 1_000;

/** Resolves with the promise, or without it when the time is over. */
async function within(ms: number, promise: Promise<unknown>): Promise<void> {
  const over = new AbortController();
  await Promise.race([promise, wait(ms, undefined, { signal: over.signal }).catch(() => undefined)]);
  over.abort();
}

async function untilEmpty(running: TurnoverMap<unknown, Promise<void>>): Promise<void> {
  while (running.size > 0) await Promise.allSettled(running.values());
}

/** Serves until SIGTERM or SIGINT, then drains. SIGHUP reloads. A second signal does not wait. Resolves to the exit code. */
export async function serveUntilStopped(options: ServeOptions): Promise<number> {
  const { log } = options;
  let reload: (() => Promise<void>) | undefined;
  let letGo: (() => Promise<void>) | undefined;
  // Before anything is started: whoever reads that keygate serves may signal it at once, and a signal without a listener kills.
  const stopped = untilStopped(
    () => void reload?.().catch((error) => log.fault('a reload failed', error)),
    async () => letGo?.(),
  );
  endOnFault(log);
  const source = await openFileSource(options);
  if (source.config.workers > 1) {
    const onHangup = (act: () => Promise<void>): void => {
      reload = act;
    };
    return await serveWithWorkers(source, { log, stopped, onHangup });
  }
  const gateway = await startFrom(source, options);
  reload = gateway.reload;
  letGo = gateway.composed.letGo;
  log.note('keygate is serving', { mcp: gateway.mcpUrl, admin: gateway.adminUrl, upstreams: Object.keys(gateway.config.upstreams) });
  await stopped;
  log.note('draining', { running: gateway.composed.live.size });
  await gateway.drain();
  log.note('drained');
  return 0;
}

/** What the store may take to end what it is at, in milliseconds. */
const letGoMsMax = 1_000;

/**
 * Resolves at the first SIGTERM or SIGINT. At the second the process ends with code 1, as soon as it has let go of the store: an exit in the middle of
 * a transaction waits for the thread that commits, which waits for this one (seen). If that takes long it is killed.
 */
export function untilStopped(onHangup: () => void, letGo: () => Promise<unknown>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let asked = false;
  const leave = async (): Promise<void> => {
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), letGoMsMax);
    await letGo().catch(() => undefined);
    process.exit(1);
  };
  const stop = () => {
    if (asked) void leave();
    asked = true;
    resolve();
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  process.on('SIGHUP', onHangup);
  return promise;
}
