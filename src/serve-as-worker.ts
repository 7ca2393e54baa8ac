import { isDeepStrictEqual } from 'node:util';
import { joinWorkers, type WorkerChange, type WorkerStart } from './compose-workers.ts';
import type { Loaded } from './config/load.ts';
import { shareOf } from './config/share.ts';
import type { Asked, ConfigSource } from './config-source.ts';
import { endOnFault } from './end-on-fault.ts';
import type { Log } from './ports/observe.ts';
import { type RunningGateway, startFrom } from './serve.ts';
import { asStarted } from './take-config.ts';

/** Serves as one of several, until the process that started it says that it is enough. Resolves to the exit code. */
export async function serveAsWorker({ log, version }: { log: Log; version: string }): Promise<number> {
  // A terminal or a supervisor signals all processes of a gateway: what is to be done is said by the one that started this.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => undefined);
  endOnFault(log);
  const member = joinWorkers();
  const start = await member.begin();
  const source = sentSource(start);
  let gateway: RunningGateway;
  try {
    gateway = await startFrom(source, { log, version, shared: { crew: member.crew(start.gateway), ports: start.ports } });
  } catch (error) {
    await member.failed(error instanceof Error ? error.message : String(error));
    member.leave();
    return 1;
  }
  const { mcpUrl, adminUrl, composed } = gateway;
  await member.serving(
    { mcp: mcpUrl, admin: adminUrl },
    {
      heard: (keyIds) => composed.live.heard(keyIds),
      metrics: composed.ownMetrics,
      async change(change) {
        const next = await source.take(change);
        return next.ok && isDeepStrictEqual(next.config, composed.config());
      },
    },
  );
  await member.dismissed;
  await gateway.drain();
  member.leave();
  return 0;
}

/** The configuration as the process that started this one sends it: whatever reads files and fetches secrets is done there, once. */
function sentSource({ started, now }: WorkerStart): ConfigSource & { take(change: WorkerChange): Promise<Loaded> } {
  const config = shareOf(asStarted(started, now));
  let last: Loaded = { ok: true, config, warnings: [], sources: [], fetches: false };
  let changed: (asked: Asked) => Promise<unknown> = async () => undefined;
  return {
    config,
    read: async () => last,
    follow(act) {
      changed = act;
      return { close: () => undefined };
    },
    async take({ next, asked }) {
      last = next.ok ? { ...next, config: shareOf(next.config) } : next;
      await changed(asked);
      return last;
    },
  };
}
