import { randomBytes, randomUUID } from 'node:crypto';
import { createAssertions } from './adapters/assertions.ts';
import { createKnownCallers } from './adapters/callers/known-callers.ts';
import { createConditions } from './adapters/condition.ts';
import { createLiveCalls, tendEveryMs } from './adapters/live-calls.ts';
import { createLoad } from './adapters/load/load.ts';
import { watchLoop } from './adapters/load/loop-lag.ts';
import { createMetrics } from './adapters/metrics.ts';
import { createRetries } from './adapters/retries.ts';
import { createWebhooks, type Webhooks } from './adapters/sinks/webhooks.ts';
import { createTally } from './adapters/tally.ts';
import { createThrottle } from './adapters/throttle.ts';
import { type IssuedToken, issueAccessToken } from './authority/access-token.ts';
import { apiParts } from './compose-api.ts';
import { composePins } from './compose-pins.ts';
import { openConfigured, requirePepper, stepUpOf } from './compose-store.ts';
import { type OpenedUpstreams, openUpstreams } from './compose-upstreams.ts';
import { withCrew } from './compose-workers.ts';
import { compilePolicy } from './config/compile-policy.ts';
import type { Config } from './config/schema.ts';
import { KnownLists } from './domain/known-lists.ts';
import { orderedId } from './domain/ordered-id.ts';
import { Scratch } from './domain/scratch.ts';
import { createDryRuns } from './edges/dry-runs.ts';
import { createFront } from './edges/front.ts';
import { createGateway } from './gateway.ts';
import { createLiveSettings, type LiveSettings } from './live-settings.ts';
import { createPassthroughGateway } from './passthrough.ts';
import type { Crew } from './ports/crew.ts';
import type { Log } from './ports/observe.ts';
import type { Store } from './ports/store.ts';
import type { Ports } from './stages/ports.ts';
import { systemClock } from './system-clock.ts';

export const callerCache = { callersMax: 10_000, unknownMax: 10_000 } as const;

/**
 * Everything one gateway process is made of. Nothing listens yet.
 * @param options.crew  the others that serve with it, where there are any
 */
export async function composeGateway(config: Config, { log, crew }: { log: Log; crew?: Crew | undefined }) {
  const clock = systemClock;
  const conditions = createConditions();
  const settings = createLiveSettings(config, { compile: (from) => compilePolicy(from, conditions.compile), random: randomBytes });
  const signing = () => settings.now().signing;
  const policy = () => settings.now().policy;
  const issuer = () => policy().publicUrl;
  const thresholds = () => settings.now().config.budgets.thresholds;
  const opening = { serving: true, log, signing, thresholds, gateway: crew?.gateway };
  const store = withCrew((await openConfigured(config, opening)).store, { crew, embedded: config.store.kind === 'folder' });
  const { keyring, ledger, journal, duties } = store;

  const trust = { issuer, jwks: () => signing().publicJwks, clock };
  const keys = () => settings.now().config.keys;
  const known = { prefix: () => keys().prefix, peppers: () => keys().peppers, order: config.scopes };
  const callers = createKnownCallers({ keyring, ...known, limits: callerCache, trust });
  const throttle = store.throttle ?? createThrottle();
  const stepUp = stepUpOf(config, store, { throttle, seal: settings.seal });
  const live = createLiveCalls({ callers, ledger, clock, log, limits: () => settings.now().config.limits });
  keyring.onChange((changed) => live.heard(changed));
  const opened = openUpstreams({ policy, clock, ledger, log });
  const { catalogue, toolPins, knownPins, heldTools } = composePins({ store, upstreams: opened.upstreams, policy, log });
  const lag = watchLoop({ clock });
  const load = createLoad({ limits: () => settings.now().config.limits, lag });
  const metrics = createMetrics({ running: () => live.size, load, upstreams: opened.health, heldTools });
  const tally = createTally({ ledger, clock, log });
  const retries = createRetries({ clock, log });
  const ports: Ports = {
    clock,
    callers,
    ledger,
    throttle,
    stepUp,
    ...{ upstreams: opened.bridged, passthrough: opened.passthrough },
    catalogue,
    toolPins,
    assertions: createAssertions({ signer: () => signing().es256, issuer, clock }),
    seal: settings.seal,
    live,
    log,
    ...{ metrics, tally, retries, scratch: new Scratch(), memory: opened.memory, lists: new KnownLists() },
    hashArguments: (text) => settings.now().hashArguments(text),
    newId: () => orderedId(clock.now(), randomUUID()),
  };
  const serve = createFront(ports, createGateway(ports), { alone: crew === undefined });

  const dryRuns = createDryRuns({ callers, ledger, catalogue, toolPins: knownPins, stepUp, seal: settings.seal, clock, policy });
  /** Turns the caller's key into a short-lived access token. @throws what `issueAccessToken` does */
  const issueToken = (request: Parameters<typeof issueAccessToken>[1]): Promise<IssuedToken> => {
    return issueAccessToken({ ledger, random: randomBytes, scopes: config.scopes, signing, issuer }, request, clock.now());
  };
  const webhooks = createWebhooks({ journal, duties, clock, log, random: Math.random, webhooks: config.webhooks });
  const api = apiParts(config, { settings, store, live, toolPins }, { callers, throttle, tally, log, policy, stepUp, dryRuns, issueToken });

  return {
    serve,
    servePassthrough: createPassthroughGateway(ports),
    ...{ live, metrics: crew ? { ...metrics, text: crew.metrics } : metrics, ownMetrics: metrics.values, tally, ledger, load },
    journal,
    duties,
    webhooks,
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
    trouble: () => store.trouble(),
    health: opened.health,
    boundTo: settings.boundTo,
    ...changesOf({ settings, store, opened, webhooks, retries, toolPins, lag }),
  };
}

/** How a composed gateway takes a new configuration, and how it ends. */
function changesOf(parts: {
  settings: LiveSettings;
  store: Store;
  opened: OpenedUpstreams;
  webhooks: Webhooks;
  retries: { close(): void };
  lag: { close(): void };
  toolPins: { close(): Promise<void> };
}) {
  const { settings, store, opened, webhooks, retries, toolPins, lag } = parts;
  return {
    /**
     * Swaps rules, upstreams, limits, credentials, peppers, seals and signing keys as a whole. Listeners and store stay as they were started.
     * @throws Error, naming no secret, where the signing keys cannot be used or the store's own pepper is gone; then nothing has changed
     */
    async apply(from: Config) {
      const next = settings.prepare(from);
      await requirePepper(store, from);
      settings.swap(next);
      opened.configure(next.policy);
      webhooks.configure(from.webhooks);
    },
    /** Ends what the store is at, and nothing else. */
    letGo: () => store.close(),
    async close() {
      retries.close();
      lag.close();
      await webhooks.close();
      await opened.close();
      await toolPins.close();
      await store.close();
    },
  };
}

export type Composed = Awaited<ReturnType<typeof composeGateway>>;
