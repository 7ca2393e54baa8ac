import { createHmac, createSecretKey, hkdfSync, randomBytes, randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import { createAssertions } from './adapters/assertions.ts';
import { createConditions } from './adapters/condition.ts';
import { createKnownCallers } from './adapters/known-callers.ts';
import { createLiveCalls, tendEveryMs } from './adapters/live-calls.ts';
import { openStore, type Store } from './adapters/lmdb/store.ts';
import { createLog } from './adapters/log.ts';
import { createMetrics } from './adapters/metrics.ts';
import { createTally } from './adapters/tally.ts';
import { createThrottle } from './adapters/throttle.ts';
import { createCatalogue } from './adapters/upstream/catalogue.ts';
import { createHttpUpstreams } from './adapters/upstream/http.ts';
import type { Authority } from './authority/authority.ts';
import { readSigning } from './authority/signing.ts';
import { compilePolicy } from './config/compile-policy.ts';
import { type Loaded, loadConfig } from './config/load.ts';
import type { Config } from './config/schema.ts';
import { createCalendar } from './domain/calendar.ts';
import { pepperId } from './domain/credential.ts';
import type { Policy } from './domain/policy.ts';
import { scopeProblem } from './domain/scope.ts';
import { createSeal } from './domain/seal.ts';
import { configFailure } from './edges/cli/failure.ts';
import { createGateway } from './gateway.ts';
import type { Log } from './ports/observe.ts';
import type { Arrived } from './stages/reached.ts';
import { systemClock } from './system-clock.ts';

/** Where a process stands: what every part of it is relative to. */
export interface Surroundings {
  readonly configFile: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
}

const callerCache = { callersMax: 10_000, unknownMax: 10_000 } as const;
const upstreamPools = { callConnectionsMax: 256, streamConnectionsMax: 5_000, connectTimeoutMs: 5_000 } as const;

/** The operational log, on standard error. @param level pino's: trace, debug, info, warn, error, fatal, silent */
export function openLog(level: string): Log {
  return createLog({ level });
}

export function readConfig({ configFile, env, cwd }: Surroundings): Promise<Loaded> {
  const conditions = createConditions();
  return loadConfig({ file: configFile, env, cwd, checkCondition: conditions.problem, checkScope: scopeProblem });
}

/** @throws CommandFailure naming every problem of the configuration */
export async function requireConfig(surroundings: Surroundings): Promise<Extract<Loaded, { ok: true }>> {
  const loaded = await readConfig(surroundings);
  if (loaded.ok) return loaded;
  throw configFailure(resolve(surroundings.cwd, surroundings.configFile), loaded.problems, surroundings.cwd);
}

/** The store of a configuration, and the management acts on it: what the command line works with, beside a running gateway. */
export async function openAuthority(surroundings: Surroundings): Promise<{ authority: Authority; config: Config; close(): Promise<void> }> {
  const { config } = await requireConfig(surroundings);
  const { store } = openConfigured(config, { serving: false });
  return { authority: authorityOf(config, store), config, close: () => store.close() };
}

export function authorityOf(config: Config, store: Store): Authority {
  const { keyring, ledger, journal } = store;
  const upstreams = Object.values(config.upstreams).map(({ name, environment }) => ({ name, environment }));
  return { clock: systemClock, random: randomBytes, keyring, ledger, journal, keys: config.keys, upstreams };
}

function openConfigured(config: Config, { serving }: { serving: boolean }) {
  const signing = readSigning(config.keys.signing);
  const calendar = createCalendar();
  const store = openStore({
    folder: config.store.folder,
    clock: systemClock,
    calendar,
    signer: signing.ed25519,
    instance: randomUUID(),
    serving,
  });
  try {
    // The oldest pepper is the one the store began with: without it every key would be unknown.
    const [oldest = ''] = config.keys.peppers.slice(-1);
    store.fingerprint('pepper', pepperId(oldest));
  } catch (error) {
    void store.close();
    throw error;
  }
  return { store, signing };
}

/** Everything one gateway process is made of. Nothing listens yet. */
export function composeGateway(config: Config, log: Log) {
  const { store, signing } = openConfigured(config, { serving: true });
  const { keyring, ledger, journal } = store;
  const clock = systemClock;
  const conditions = createConditions();
  const compile = (from: Config): Policy => compilePolicy(from, conditions.compile);
  let boundUrl: string | undefined;
  const withPublicUrl = (compiled: Policy): Policy =>
    boundUrl !== undefined && new URL(compiled.publicUrl).port === '0' ? { ...compiled, publicUrl: boundUrl } : compiled;
  let limits = config.limits;
  let policy = compile(config);

  const callers = createKnownCallers({ keyring, ...config.keys, order: config.scopes, limits: callerCache });
  const live = createLiveCalls({ callers, ledger, clock, log, limits: () => limits });
  const metrics = createMetrics({ running: () => live.size });
  const tally = createTally({ ledger, clock, log });
  const upstreams = createHttpUpstreams({ targets: targetsOf(policy), limits: upstreamPools });
  const credentialsOf = (name: string) => policy.upstreams.get(name)?.credentials ?? [];
  const serve: (arrived: Arrived) => Promise<void> = createGateway({
    clock,
    callers,
    ledger,
    throttle: createThrottle(),
    upstreams,
    catalogue: createCatalogue({ upstreams, ledger, clock, credentialsOf }),
    assertions: createAssertions({ kid: signing.es256.kid, key: signing.es256.privateKey, issuer: () => policy.publicUrl, clock }),
    seal: createSeal({ secrets: config.keys.seal, random: randomBytes }),
    live,
    log,
    metrics,
    tally,
    hashArguments: argumentHash(config),
    newId: randomUUID,
  });

  return {
    serve,
    live,
    metrics,
    tally,
    ledger,
    journal,
    store,
    publicJwks: signing.publicJwks,
    newId: randomUUID,
    tendEveryMs,
    policy: () => policy,
    /** Why nothing can be admitted here, or undefined. */
    trouble(): string | undefined {
      try {
        keyring.epoch();
        return undefined;
      } catch {
        return 'the store cannot be read';
      }
    },
    /** Where the data plane really listens: what a configured port 0 stands for in `publicUrl`. */
    boundTo(url: string) {
      boundUrl = url;
      policy = withPublicUrl(policy);
    },
    /** Swaps rules, upstreams and limits as a whole. Listeners, store and keys stay as they were started. */
    apply(from: Config) {
      policy = withPublicUrl(compile(from));
      limits = from.limits;
      upstreams.configure(targetsOf(policy));
    },
    async close() {
      await upstreams.close();
      await store.close();
    },
  };
}

export type Composed = ReturnType<typeof composeGateway>;

function targetsOf(policy: Policy): Map<string, string> {
  return new Map([...policy.upstreams].map(([name, { url }]) => [name, url]));
}

/** A keyed hash: equal arguments can be seen to be equal, but nobody without the pepper can try guesses against the journal. */
function argumentHash(config: Config): (text: Buffer) => string | undefined {
  if (config.journal.arguments === 'none') return () => undefined;
  const [pepper = ''] = config.keys.peppers;
  // A key object, because createHmac would make one of a buffer at every call, at eight times the cost of the hash (measured).
  const key = createSecretKey(Buffer.from(hkdfSync('sha256', pepper, '', 'keygate-arguments-v1', 32)));
  return (text) => createHmac('sha256', key).update(text).digest('hex');
}
