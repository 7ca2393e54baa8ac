import { openWorkers } from './compose-workers.ts';
import type { Loaded } from './config/load.ts';
import type { Config } from './config/schema.ts';
import type { Asked, ConfigSource } from './config-source.ts';
import { type ReservedPort, reservePort } from './edges/reserve-port.ts';
import type { Log } from './ports/observe.ts';

/** What a worker may take beyond `limits.drainMsMax` to settle, sign and close, in milliseconds. */
const lastActsMs = 10_000;

/**
 * The process of a gateway that has others serve: it holds the store's lock, reads the configuration for all, passes on what it is told by signals, and
 * starts anew who died. Resolves to the exit code.
 * @param options.onHangup  is given what SIGHUP does from now on
 * @throws Error where the store cannot be opened, or a worker cannot serve at the start
 */
export async function serveWithWorkers(
  source: ConfigSource,
  { log, stopped, onHangup }: { log: Log; stopped: Promise<void>; onHangup: (reload: () => Promise<void>) => void },
): Promise<number> {
  const { config } = source;
  // The newest that is sound, and the newest that the workers have in force: what came while the store was away they take once they can judge it.
  let [newest, inForce] = [config, config];
  const tell = async (next: Loaded, asked: Asked): Promise<void> => {
    if ((await crew.change({ next, asked })) && next.ok) inForce = next.config;
  };
  const now = async (): Promise<Config> => {
    if (newest !== inForce) await tell({ ok: true, config: newest, warnings: [], sources: [], fetches: false }, 'by refresh');
    return inForce;
  };
  const { crew, addresses } = await begin({ config, now, log });
  let reloading = Promise.resolve();
  const reload = (asked: Asked = 'by change'): Promise<void> => {
    // One after the other, as each worker takes them.
    const reloaded = reloading.then(async () => {
      const next = await source.read();
      if (next.ok) newest = next.config;
      await tell(next, asked);
    });
    reloading = reloaded.catch(() => undefined);
    return reloaded;
  };
  const following = source.follow(reload);
  onHangup(() => reload());
  const { workers, upstreams } = config;
  log.note('keygate is serving', { ...addresses, workers, upstreams: Object.keys(upstreams) });
  await stopped;
  log.note('draining', { workers });
  following.close();
  const orderly = await crew.drain(inForce.limits.drainMsMax + lastActsMs);
  await crew.close();
  log.note('drained');
  return orderly ? 0 : 1;
}

/** Starts the workers at ports that are theirs. @throws Error as serveWithWorkers() does, with nothing left behind */
async function begin({ config, now, log }: { config: Config; now: () => Promise<Config>; log: Log }) {
  const reserved: ReservedPort[] = [];
  const reserve = async (place: Config['listen']['mcp']): Promise<number> => {
    const kept = await reservePort(place);
    reserved.push(kept);
    return kept.port;
  };
  const { mcp, admin } = config.listen;
  try {
    const crew = await openWorkers({
      ...{ config, now, log },
      reserve: async () => ({ mcp: await reserve(mcp), admin: await reserve(admin) }),
    });
    const addresses = await crew.serving.catch(async (error: unknown) => {
      await crew.close();
      throw error;
    });
    return { crew, addresses };
  } finally {
    await Promise.all(reserved.map((kept) => kept.release()));
  }
}
