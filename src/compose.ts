import { randomBytes, randomUUID } from 'node:crypto';
import { createAssertions } from './adapters/assertions.ts';
import { createKnownCallers } from './adapters/callers/known-callers.ts';
import { createConditions } from './adapters/condition.ts';
import { createLiveCalls, tendEveryMs } from './adapters/live-calls.ts';
import type { Store } from './adapters/lmdb/store.ts';
import { createMetrics } from './adapters/metrics.ts';
import { createTally } from './adapters/tally.ts';
import { createThrottle } from './adapters/throttle.ts';
import { createCatalogue } from './adapters/upstream/catalogue.ts';
import { createHttpUpstreams } from './adapters/upstream/http.ts';
import { type IssuedToken, issueAccessToken } from './authority/access-token.ts';
import type { Authority } from './authority/authority.ts';
import { authorityOf, openConfigured, requirePepper, stepUpOf } from './compose-store.ts';
import { compilePolicy } from './config/compile-policy.ts';
import type { Config } from './config/schema.ts';
import type { Policy } from './domain/policy.ts';
import type { ApiParts } from './edges/api/deps.ts';
import { createDryRuns } from './edges/dry-runs.ts';
import { createGateway } from './gateway.ts';
import { createLiveSettings, type LiveSettings } from './live-settings.ts';
import type { Log } from './ports/observe.ts';
import type { Arrived } from './stages/reached.ts';
import { systemClock } from './system-clock.ts';

export const callerCache = { callersMax: 10_000, unknownMax: 10_000 } as const;
export const upstreamPools = { callConnectionsMax: 256, streamConnectionsMax: 5_000, connectTimeoutMs: 5_000 } as const;

/** Everything one gateway process is made of. Nothing listens yet. */
export function composeGateway(config: Config, log: Log) {
  const clock = systemClock;
  const conditions = createConditions();
  const settings = createLiveSettings(config, { compile: (from) => compilePolicy(from, conditions.compile), random: randomBytes });
  const signing = () => settings.now().signing;
  const policy = () => settings.now().policy;
  const issuer = () => policy().publicUrl;
  const { store } = openConfigured(config, { serving: true, signing });
  const { keyring, ledger, journal } = store;

  const callers = createKnownCallers({
    keyring,
    prefix: () => settings.now().config.keys.prefix,
    peppers: () => settings.now().config.keys.peppers,
    order: config.scopes,
    limits: callerCache,
    trust: { issuer, jwks: () => signing().publicJwks, clock },
  });
  const throttle = createThrottle();
  const stepUp = stepUpOf(config, store, { throttle, seal: settings.seal });
  const live = createLiveCalls({ callers, ledger, clock, log, limits: () => settings.now().config.limits });
  const metrics = createMetrics({ running: () => live.size });
  const tally = createTally({ ledger, clock, log });
  const upstreams = createHttpUpstreams({ targets: targetsOf(policy()), limits: upstreamPools });
  const credentialsOf = (name: string) => policy().upstreams.get(name)?.credentials ?? [];
  const catalogue = createCatalogue({ upstreams, ledger, clock, credentialsOf });
  const serve: (arrived: Arrived) => Promise<void> = createGateway({
    clock,
    callers,
    ledger,
    throttle,
    stepUp,
    upstreams,
    catalogue,
    assertions: createAssertions({ signer: () => signing().es256, issuer, clock }),
    seal: settings.seal,
    live,
    log,
    metrics,
    tally,
    hashArguments: (text) => settings.now().hashArguments(text),
    newId: randomUUID,
  });

  const dryRuns = createDryRuns({ callers, ledger, catalogue, stepUp, seal: settings.seal, clock, policy });
  /** Turns the caller's key into a short-lived access token. @throws what `issueAccessToken` does */
  const issueToken = (request: Parameters<typeof issueAccessToken>[1]): Promise<IssuedToken> => {
    return issueAccessToken({ ledger, random: randomBytes, scopes: config.scopes, signing, issuer }, request, clock.now());
  };
  const api = apiParts(config, { settings, store }, { callers, throttle, tally, log, policy, stepUp, dryRuns, issueToken });

  return {
    serve,
    live,
    metrics,
    tally,
    ledger,
    journal,
    store,
    publicJwks: () => signing().publicJwks,
    callers,
    throttle,
    stepUp,
    dryRuns,
    api,
    issueToken,
    newId: randomUUID,
    tendEveryMs,
    policy,
    /** The configuration in force. */
    config: () => settings.now().config,
    /** Why nothing can be admitted here, or undefined. */
    trouble(): string | undefined {
      try {
        keyring.epoch();
        return undefined;
      } catch {
        return 'the store cannot be read';
      }
    },
    boundTo: settings.boundTo,
    /**
     * Swaps rules, upstreams, limits, credentials, peppers, seals and signing keys as a whole. Listeners and store stay as they were started.
     * @throws Error, naming no secret, where the signing keys cannot be used or the store's own pepper is gone; then nothing has changed
     */
    apply(from: Config) {
      const next = settings.prepare(from);
      requirePepper(store, from);
      settings.swap(next);
      upstreams.configure(targetsOf(next.policy));
    },
    async close() {
      await upstreams.close();
      await store.close();
    },
  };
}

type Shared = Pick<ApiParts, 'callers' | 'throttle' | 'tally' | 'log' | 'policy' | 'stepUp' | 'dryRuns' | 'issueToken'>;

/** What the management API works with, as the configuration is at each use. */
function apiParts(config: Config, { settings, store }: { settings: LiveSettings; store: Store }, shared: Shared): ApiParts {
  const authority: Authority = {
    ...authorityOf(config, store),
    // Keys are minted under the newest pepper, for the upstreams that are configured now.
    get keys() {
      return settings.now().config.keys;
    },
    get upstreams() {
      return authorityOf(settings.now().config, store).upstreams;
    },
  };
  return {
    ...shared,
    authority,
    replays: store.replays,
    newId: randomUUID,
    upstreams: () => Object.values(settings.now().config.upstreams),
    checkpointKeys: () => settings.now().signing.checkpointKeys,
    stepUpForOperators: config.stepUp.operators,
  };
}

export type Composed = ReturnType<typeof composeGateway>;

export function targetsOf(policy: Policy): Map<string, string> {
  return new Map([...policy.upstreams].map(([name, { url }]) => [name, url]));
}
