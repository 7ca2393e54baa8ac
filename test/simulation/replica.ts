import { createKnownCallers } from '../../src/adapters/callers/known-callers.ts';
import { createLiveCalls, tendEveryMs } from '../../src/adapters/live-calls.ts';
import { createKeyring } from '../../src/adapters/lmdb/keyring.ts';
import { createLedger } from '../../src/adapters/lmdb/ledger.ts';
import type { Tables } from '../../src/adapters/lmdb/tables.ts';
import { createRetries } from '../../src/adapters/retries.ts';
import type { Config } from '../../src/config/schema.ts';
import { KnownLists } from '../../src/domain/known-lists.ts';
import { ReadMemory } from '../../src/domain/read-memory.ts';
import { Scratch } from '../../src/domain/scratch.ts';
import { createSeal } from '../../src/domain/seal.ts';
import { createGateway } from '../../src/gateway.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { Keyring } from '../../src/ports/keyring.ts';
import type { Ledger } from '../../src/ports/ledger.ts';
import type { Upstreams } from '../../src/ports/upstreams.ts';
import type { Arrived } from '../../src/stages/reached.ts';
import { plainCalendar } from '../ports/subject.ts';
import type { Chance } from './chance.ts';
import type { StageName } from './faults.ts';
import { type Mutant, mutateLedger, mutateTables } from './mutants.ts';
import type { Owner } from './virtual-time.ts';

/** One simulated gateway process: the real stages over the real rules of the store. */
export interface Replica extends Owner {
  readonly name: string;
  readonly serve: (arrived: Arrived) => Promise<void>;
  /** Requests that could not be answered for a fault inside the gateway. */
  readonly faults: string[];
}

/** Takes an act through whatever the store's weather does to it, and says where its request stands meanwhile. */
export type Through = <T>(stage: StageName, act: () => Promise<T>) => Promise<T>;

const sweepEveryMs = 2_000;

/** Starts a process. It must be called within the owner it returns, so that its timers end with it. */
export function startReplica(
  owner: Owner,
  options: {
    name: string;
    tables: Tables;
    clock: Clock;
    chance: Chance;
    config: Config;
    upstreams: Upstreams;
    through: Through;
    mutant: Mutant | undefined;
  },
): Replica {
  const { name, clock, chance, config, upstreams, through, mutant } = options;
  const tables = mutateTables(options.tables, mutant);
  const terms = { calendar: plainCalendar, owner: name, thresholds: () => [80, 100] };
  const own = mutateLedger(createLedger({ tables, clock, ...terms }), mutant);
  const plainKeyring = createKeyring({ tables: options.tables, clock });
  const faults: string[] = [];
  const log = {
    note: () => undefined,
    warn: () => undefined,
    fault: (message: string, error: unknown) => {
      if (message.startsWith('a request failed inside')) faults.push(`${message}: ${error instanceof Error ? error.stack : String(error)}`);
    },
  };
  const ledger: Ledger = {
    ...own,
    admit: (request) => through('admit', () => own.admit(request)),
    settle: (request) => through('settle', () => own.settle(request)),
    record: (facts) => through('refuse', () => own.record(facts)),
  };
  const keyring: Keyring = {
    ...plainKeyring,
    byDigest: (digest) => through('authenticate', () => plainKeyring.byDigest(digest)),
  };
  const issuer = () => config.publicUrl;
  const trust = { issuer, jwks: () => ({ keys: [] }), clock };
  const known = { prefix: () => config.keys.prefix, peppers: () => config.keys.peppers, order: config.scopes };
  const callers = createKnownCallers({ keyring, ...known, limits: { callersMax: 4, unknownMax: 4 }, trust });
  const live = createLiveCalls({ callers, ledger: own, clock, log, limits: () => config.limits });
  const free = { allowed: true, retryAfterMs: 0, remaining: 1, resetMs: 0 };
  let ids = 0;
  const serve = createGateway({
    ...{ clock, callers, ledger, upstreams, live, log },
    throttle: { take: () => through('locate', async () => free) },
    stepUp: { freshUntil: async () => 0 },
    catalogue: { annotationsOf: async () => undefined },
    passthrough: {
      dispatch: () => {
        throw new Error('nothing is passed through here');
      },
    },
    toolPins: { ready: async () => undefined, heldBack: () => undefined, sight: () => new Set() },
    assertions: { sign: async () => 'assertion' },
    seal: createSeal({ secrets: config.keys.seal, random: chance.bytes }),
    metrics: {
      request: () => undefined,
      configuration: () => undefined,
      overSoftLimit: () => undefined,
      connectionRefused: () => undefined,
    },
    tally: { count: () => undefined, missed: () => undefined },
    retries: createRetries({ clock, log }),
    hashArguments: () => undefined,
    scratch: new Scratch(),
    memory: new ReadMemory(),
    lists: new KnownLists(),
    newId: () => {
      ids += 1;
      return `${name}-${ids}`;
    },
  });
  setInterval(() => void live.tend(), tendEveryMs);
  setInterval(() => void own.sweep({ now: clock.now() }).catch((error: unknown) => faults.push(`a sweep failed: ${error}`)), sweepEveryMs);
  return Object.assign(owner, { name, serve, faults });
}
