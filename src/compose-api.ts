import { randomUUID } from 'node:crypto';
import type { LiveCalls } from './adapters/live-calls.ts';
import type { WatchedPins } from './adapters/tool-pins/tool-pins.ts';
import type { Authority } from './authority/authority.ts';
import { authorityOf } from './compose-store.ts';
import type { Config } from './config/schema.ts';
import type { ApiParts } from './edges/api/deps.ts';
import type { LiveSettings } from './live-settings.ts';
import type { Keyring } from './ports/keyring.ts';
import type { Pins } from './ports/pins.ts';
import type { Store } from './ports/store.ts';

type Shared = Pick<ApiParts, 'callers' | 'throttle' | 'tally' | 'log' | 'policy' | 'stepUp' | 'dryRuns' | 'issueToken'>;

/** What the management API works with, as the configuration is at each use. */
export function apiParts(
  config: Config,
  { settings, store, live, toolPins }: { settings: LiveSettings; store: Store; live: LiveCalls; toolPins: WatchedPins },
  shared: Shared,
): ApiParts {
  const authority: Authority = {
    ...authorityOf(config, store),
    keyring: actingHere(store.keyring, live),
    pins: heardHere(store.pins, toolPins),
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

/** What an operator decides here about a tool holds here before it is answered. */
function heardHere(pins: Pins, toolPins: WatchedPins): Pins {
  return {
    ...pins,
    async put(request) {
      const done = await pins.put(request);
      // The pin stands, and is read within two seconds anyway.
      await toolPins.refresh(request.pin.upstream).catch(() => undefined);
      return done;
    },
  };
}

/** What is changed here is acted on here before it is answered: the streams of a revoked key are cut by then. */
function actingHere(keyring: Keyring, live: LiveCalls): Keyring {
  const acted = async <Result>(id: string, change: Promise<Result>): Promise<Result> => {
    const changed = await change;
    // The change stands, so what could not be judged now is left to the next round, which says so.
    await live.heard([id]).catch(() => undefined);
    return changed;
  };
  return {
    ...keyring,
    replace: (options) => acted(options.record.id, keyring.replace(options)),
    remove: (id, options) => acted(id, keyring.remove(id, options)),
    revoke: (id, options) => acted(id, keyring.revoke(id, options)),
  };
}
