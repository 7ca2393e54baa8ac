import { readConfig, requireConfig, type Surroundings } from './compose-store.ts';
import type { Loaded } from './config/load.ts';
import type { Config } from './config/schema.ts';
import { watchConfig } from './config/watch.ts';
import type { Log } from './ports/observe.ts';

/** Why the configuration is read again: it changed, or secrets that tell nobody of a change are due. */
export type Asked = 'by change' | 'by refresh';

/** Where a process that serves has its configuration from. */
export interface ConfigSource {
  /** What it starts with. */
  readonly config: Config;
  /** As it is now. */
  read(): Promise<Loaded>;
  /** Calls back when it should be read again. */
  follow(changed: (asked: Asked) => Promise<unknown>): { close(): void };
}

/** The configuration in a file, and in what that names. @throws CommandFailure naming every problem of it */
export async function openFileSource(options: Surroundings & { log: Log }): Promise<ConfigSource> {
  const { log } = options;
  const first = await requireConfig(options);
  const { config } = first;
  let { sources, fetches } = first;
  let { refreshMs } = config.secrets;
  let watching: ReturnType<typeof watchConfig> | undefined;
  const readSettled = async (): Promise<Loaded> => {
    let next = await readConfig(options);
    while (watching && next.sources.some((path) => !sources.includes(path))) {
      // A file that was named just now is watched first and then read again, so that no change of it is missed.
      ({ sources } = next);
      watching.follow();
      next = await readConfig(options);
    }
    ({ sources, fetches } = next);
    return next;
  };
  return {
    config,
    async read() {
      const next = await readSettled();
      if (!next.ok) return next;
      refreshMs = next.config.secrets.refreshMs;
      if (next.config.workers === config.workers) return next;
      log.warn('a change of workers takes effect only after a restart', { setting: 'workers' });
      // It is judged for as many as serve.
      return await readConfig({ ...options, workers: config.workers });
    },
    follow(changed) {
      watching = watchConfig({
        sources: () => sources,
        onChange: () => void changed('by change').catch((error) => log.fault('a reload failed', error)),
      });
      const refreshing = startRefresh({
        everyMs: () => refreshMs,
        refresh: async () => {
          if (fetches) await changed('by refresh').catch((error) => log.fault('a refresh of secrets failed', error));
        },
      });
      return {
        close() {
          watching?.close();
          refreshing.close();
        },
      };
    },
  };
}

/** Secrets of other systems change without a sign, so they are read again after a while, which a reload may set anew. */
function startRefresh({ everyMs, refresh }: { everyMs: () => number; refresh: () => Promise<void> }): { close(): void } {
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  const next = (): void => {
    if (closed) return;
    timer = setTimeout(() => void refresh().finally(next), everyMs());
    timer.unref();
  };
  next();
  return {
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}
