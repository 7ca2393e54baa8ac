import { AsyncLocalStorage } from 'node:async_hooks';
import { createJournal } from '../../src/adapters/lmdb/journal.ts';
import { createKeyring } from '../../src/adapters/lmdb/keyring.ts';
import { createLedger } from '../../src/adapters/lmdb/ledger.ts';
import { createPins } from '../../src/adapters/lmdb/pins.ts';
import type { Tables } from '../../src/adapters/lmdb/tables.ts';
import type { Authority } from '../../src/authority/authority.ts';
import type { Config } from '../../src/config/schema.ts';
import type { Policy } from '../../src/domain/policy.ts';
import { plainCalendar, start } from '../ports/subject.ts';
import { memoryTables } from '../support/memory-store-tables.ts';
import { type Chance, chanceOf } from './chance.ts';
import { createClient, type SimulatedClient } from './client.ts';
import { createWeather, pairOf, type StageName, type Weather } from './faults.ts';
import { Model } from './model.ts';
import type { Mutant } from './mutants.ts';
import { rankOf } from './policy.ts';
import { type Replica, startReplica, type Through } from './replica.ts';
import { createUpstream, type Exchange } from './upstream.ts';
import { type Owner, takeOverTime, type VirtualTime } from './virtual-time.ts';

/** One request of a client, and where it stands. */
export interface Running {
  readonly requestId: string;
  readonly replica: Replica;
  readonly keyId: string | undefined;
  readonly id: string;
  readonly mark: string;
  readonly kind: 'call' | 'stream' | 'ping';
  readonly client: SimulatedClient;
  stage: StageName | undefined;
  done: boolean;
  /** Attempts that reached the upstream. */
  sent: number;
  /** Whether the store or the process gave it any trouble. */
  troubled: boolean;
}

export interface World {
  readonly chance: Chance;
  readonly time: VirtualTime;
  readonly clock: { now(): number; monotonic(): number; jump(ms: number): void };
  readonly tables: Tables;
  readonly weather: Weather;
  readonly model: Model;
  readonly authority: Authority;
  readonly policy: Policy;
  readonly replicas: Replica[];
  readonly running: Set<Running>;
  readonly exchanges: Set<Exchange>;
  /** Pairs of fault and stage that were met. */
  readonly met: Set<string>;
  startReplica(): Replica;
  begin(request: Omit<Running, 'client' | 'stage' | 'done' | 'sent' | 'troubled'> & { authorization: string; body?: object }): Running;
  /** Something happened: every request that is under way met it where it stands. */
  happened(what: string, which?: (one: Running) => boolean): void;
}

export function createWorld(
  seed: number,
  { config, policy, mutant }: { config: Config; policy: Policy; mutant?: Mutant | undefined },
): World {
  const chance = chanceOf(seed);
  const time = takeOverTime();
  const weather = createWeather(chance);
  const model = new Model();
  const met = new Set<string>();
  const running = new Set<Running>();
  const exchanges = new Set<Exchange>();
  const replicas: Replica[] = [];
  const requests = new AsyncLocalStorage<Running>();
  let skew = 0;
  const clock = {
    now: () => start + Math.floor(time.elapsed) + skew,
    monotonic: () => time.elapsed,
    jump: (ms: number) => {
      skew += ms;
    },
  };
  const plain = memoryTables();
  const tables: Tables = {
    ...plain,
    journal: {
      ...plain.journal,
      put(position, text) {
        plain.journal.put(position, text);
        model.record(text, (id) => {
          const stored = plain.keys.get(id);
          return stored && rankOf(stored.scopes);
        });
      },
    },
  };

  const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
  const through: Through = async (stage, act) => {
    const request = requests.getStore();
    if (request) request.stage = stage;
    const fault = weather.meet(stage);
    if (fault) {
      met.add(pairOf(fault, stage));
      if (request) request.troubled = true;
    }
    if (chance.is(0.5)) await pause(chance.between(1, 40));
    try {
      if (fault === 'store fails') throw new Error('simulated: the store failed');
      if (fault === 'store slow') await pause(chance.between(100, 9_000));
      const answer = await act();
      if (fault === 'reply lost') throw new Error('simulated: the reply was lost');
      if (fault === 'store hangs') return await new Promise<never>(() => undefined);
      if (fault !== 'sent twice') return answer;
      await pause(chance.between(1, 50));
      return await act();
    } finally {
      if (request) request.stage = stage === 'admit' ? 'forward' : stage === 'settle' ? 'settle' : undefined;
    }
  };

  const upstreams = createUpstream({
    time,
    bind: () => {
      const request = requests.getStore();
      const owner = request?.replica;
      return (act) => {
        if (owner && !owner.alive) return;
        time.within(owner, () => (request ? requests.run(request, act) : act()));
      };
    },
    refuses: () => chance.is(0.08),
    arrived(exchange, refused) {
      exchanges.add(exchange);
      const request = requests.getStore();
      if (request) {
        request.stage = 'forward';
        request.sent += 1;
        if (request.sent > 1) model.fault(`one call was sent twice: ${request.requestId}`);
      }
      if (refused) met.add(pairOf('refuses', 'forward'));
      const needsIntent = request?.kind !== 'ping';
      if (needsIntent && !model.intents.has(exchange.requestId)) model.fault(`I1: ${exchange.requestId} was sent without an intent`);
    },
  });

  const world: World = {
    ...{ chance, time, clock, tables, weather, model, policy, replicas, running, exchanges, met },
    authority: authorityOf({ tables, clock, chance, config }),
    startReplica() {
      const owner: Owner = { alive: true };
      const name = `gateway-${replicas.length}`;
      const parts = { name, tables, clock, chance, config, upstreams, through, mutant };
      const replica = time.within(owner, () => startReplica(owner, parts));
      replicas.push(replica);
      return replica;
    },
    begin({ authorization, body, ...about }) {
      const client = createClient();
      const request: Running = { ...about, client, stage: undefined, done: false, sent: 0, troubled: !weather.fine };
      running.add(request);
      const headers = {
        ...{ host: '127.0.0.1', authorization, accept: 'application/json, text/event-stream' },
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      };
      const arrived = {
        ...{ requestId: about.requestId, at: clock.now(), began: clock.monotonic(), verb: body === undefined ? 'GET' : 'POST' },
        ...{ httpVersion: '1.1', path: '/mcp/up', headers, rawHeaders: Object.entries(headers).flat(), address: '127.0.0.1' },
        ...{ readBody: async () => Buffer.from(JSON.stringify(body)), reply: client.reply, draining: false, policy },
      };
      const serve = async (): Promise<void> => {
        try {
          await about.replica.serve(arrived);
        } catch (error) {
          model.fault(`a request was thrown out of the gateway: ${error instanceof Error ? error.stack : String(error)}`);
        }
        request.done = true;
        running.delete(request);
      };
      time.within(about.replica, () => requests.run(request, () => void serve()));
      return request;
    },
    happened(what, which = () => true) {
      for (const one of running) {
        if (!one.stage || !which(one)) continue;
        met.add(pairOf(what, one.stage));
      }
    },
  };
  return world;
}

/** Management acts, from a process of their own whose store always answers. */
function authorityOf({
  tables,
  clock,
  chance,
  config,
}: {
  tables: Tables;
  clock: World['clock'];
  chance: Chance;
  config: Config;
}): Authority {
  const terms = { calendar: plainCalendar, owner: 'management', thresholds: () => [80, 100] };
  const { keys, scopes } = config;
  return {
    ...{ clock, random: chance.bytes, keys, scopes },
    keyring: createKeyring({ tables, clock }),
    pins: createPins({ tables, clock }),
    ledger: createLedger({ tables, clock, ...terms }),
    journal: createJournal({ tables, manifest: { append: async () => undefined, read: () => [] }, signer: { kid: 'k', sign: () => '' } }),
    upstreams: [
      {
        name: 'up',
        environment: 'live',
        pricedScopes: [],
        pinning: { mode: 'off', onChange: { schema: 'report', annotations: 'report', wording: 'report' } },
      },
    ],
  };
}
