import { randomUUID } from 'node:crypto';
import { createThrottle } from './adapters/throttle.ts';
import { type HiredCrew, hireCrew } from './adapters/workers/hire.ts';
import { joinCrew, type Member } from './adapters/workers/member.ts';
import { openConfigured } from './compose-store.ts';
import type { Loaded } from './config/load.ts';
import type { Config } from './config/schema.ts';
import type { Crew } from './ports/crew.ts';
import type { Acknowledgement, Keyring } from './ports/keyring.ts';
import type { Log } from './ports/observe.ts';
import type { Store } from './ports/store.ts';
import { systemClock } from './system-clock.ts';

/** What a worker begins with. Both are of the gateway as a whole. */
export interface WorkerStart {
  readonly gateway: string;
  /** That all of them listen on. */
  readonly ports: { readonly mcp: number; readonly admin: number };
  /** What the gateway was started with, and what is in force now. */
  readonly started: Config;
  readonly now: Config;
}

/** What was read when the configuration changed, or may have. */
export interface WorkerChange {
  readonly next: Loaded;
  readonly asked: 'by change' | 'by refresh';
}

/**
 * Takes the store for a gateway of several processes, where it is one that has one gateway, and starts those that serve.
 * @throws Error where the store is another's, damaged, must not be used, or has a gateway already
 */
export async function openWorkers(options: {
  config: Config;
  /** Keeps the ports that they are to listen on; called once the store is there. */
  reserve: () => Promise<WorkerStart['ports']>;
  /** What is in force, for a worker that begins. */
  now: () => Promise<Config>;
  log: Log;
}): Promise<HiredCrew<WorkerChange> & { close(): Promise<void> }> {
  const { config, reserve, now, log } = options;
  const gateway = randomUUID();
  // A shared store is opened by each worker, which is a replica like any other.
  const held = config.store.kind === 'folder' ? (await openConfigured(config, { serving: true, log, instance: gateway })).store : undefined;
  const close = async (): Promise<void> => held?.close();
  let ports: WorkerStart['ports'];
  try {
    ports = await reserve();
  } catch (error) {
    await close();
    throw error;
  }
  const crew = hireCrew<WorkerStart, WorkerChange>({
    ...{ count: config.workers, throttle: createThrottle(), clock: systemClock, log },
    start: async () => ({ gateway, ports, started: config, now: await now() }),
  });
  return { ...crew, close };
}

/** This process as a worker. */
export function joinWorkers(): Member<WorkerStart, WorkerChange> {
  return joinCrew({ clock: systemClock });
}

/** What is to be heard of a change of a key, at the longest: nobody who asks for it waits longer. Milliseconds. */
const heardMsMax = 2_000;

/**
 * The embedded store where several processes serve from it: rates are counted for all of them together, and a change of a key that is made here is
 * acted on by all of them before it is acknowledged. The shared store does both by itself.
 */
export function withCrew(store: Store, { crew, embedded }: { crew: Crew | undefined; embedded: boolean }): Store {
  if (!crew || !embedded) return store;
  return { ...store, throttle: crew.throttle, keyring: heardByAll(store.keyring, crew) };
}

function heardByAll(keyring: Keyring, crew: Crew): Keyring {
  const underWay = new Set<Promise<Acknowledgement>>();
  /** Who has yet to say that it acted on a change that nobody has asked about. */
  let silent: readonly string[] = [];
  const tell = (id: string): void => {
    const heard = crew.heard([id], heardMsMax).catch((): Acknowledgement => ({ acknowledged: [], pending: ['other workers'] }));
    underWay.add(heard);
    void heard.then(({ pending }) => {
      underWay.delete(heard);
      if (pending.length > 0) silent = pending;
    });
  };
  const told = async <Result>(id: string, change: Promise<Result>): Promise<Result> => {
    const changed = await change;
    tell(id);
    return changed;
  };
  return {
    ...keyring,
    replace: (request) => told(request.record.id, keyring.replace(request)),
    remove: (id, request) => told(id, keyring.remove(id, request)),
    revoke: (id, request) => told(id, keyring.revoke(id, request)),
    async acknowledged(withinMs) {
      const before = silent;
      silent = [];
      // Who else there is, and whether they answer now.
      const answers = await Promise.all([...underWay, crew.heard([], withinMs)]);
      const pending = new Set([...before, ...answers.flatMap((answer) => answer.pending)]);
      const acknowledged = new Set(answers.flatMap((answer) => answer.acknowledged));
      return { acknowledged: [...acknowledged].filter((name) => !pending.has(name)), pending: [...pending] };
    },
  };
}
