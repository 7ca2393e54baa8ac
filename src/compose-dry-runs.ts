import { createKnownCallers } from './adapters/callers/known-callers.ts';
import { createConditions } from './adapters/condition.ts';
import { createToolPins } from './adapters/tool-pins/tool-pins.ts';
import { createCatalogue } from './adapters/upstream/catalogue.ts';
import { createUpstreams } from './adapters/upstream/upstreams.ts';
import { callerCache } from './compose.ts';
import { openConfigured, openLog, requireConfig, type Surroundings, stepUpOf } from './compose-store.ts';
import { upstreamsOf } from './compose-upstreams.ts';
import { compilePolicy } from './config/compile-policy.ts';
import type { Config } from './config/schema.ts';
import type { Policy } from './domain/policy.ts';
import { ReadMemory } from './domain/read-memory.ts';
import { createSeal } from './domain/seal.ts';
import type { RuleBench } from './edges/cli/rule-bench.ts';
import { createDryRuns, type DryRuns } from './edges/dry-runs.ts';
import { systemClock } from './system-clock.ts';

/** What the command line explains calls with: the configuration as it is now and its store, beside a running gateway. */
export async function openDryRuns(surroundings: Surroundings): Promise<{ dryRuns: DryRuns; close(): Promise<void> }> {
  const { config } = await requireConfig(surroundings);
  const policy = compilePolicy(config, createConditions().compile);
  const log = openLog('error');
  const { store, signing } = await openConfigured(config, { serving: false, log });
  const { ledger, pins, duties } = store;
  const upstreams = createUpstreams({ ...upstreamsOf({ policy: () => policy, clock: systemClock, log }), memory: new ReadMemory() });
  const credentialsOf = (name: string) => policy.upstreams.get(name)?.credentials ?? [];
  const dryRuns = createDryRuns({
    callers: callersOf(config, policy, { keyring: store.keyring, publicJwks: signing.publicJwks }),
    ledger,
    catalogue: createCatalogue({ upstreams, ledger, clock: systemClock, credentialsOf }),
    toolPins: createToolPins({ pins, duties, clock: systemClock, log }),
    stepUp: stepUpOf(config, store),
    seal: createSeal({ secrets: config.keys.seal, random: refuseRandom }),
    clock: systemClock,
    policy: () => policy,
  });
  const close = async () => {
    await upstreams.close();
    await store.close();
  };
  return { dryRuns, close };
}

/** The rules of a configuration without its store, to try cases on. */
export async function openRules(surroundings: Surroundings): Promise<RuleBench> {
  const { config } = await requireConfig(surroundings);
  const policy = compilePolicy(config, createConditions().compile);
  return {
    policy,
    now: () => systemClock.now(),
    async callerOf(record) {
      const keyring = { byDigest: async () => undefined, get: async () => record, epoch: () => 0, changedAt: () => 0 };
      const caller = await callersOf(config, policy, { keyring, publicJwks: { keys: [] } }).byId(record.id);
      if (!caller) throw new Error('a key without ancestors has no caller');
      return caller;
    },
  };
}

type Known = Parameters<typeof createKnownCallers>[0];

function callersOf(
  { keys, scopes }: Config,
  { publicUrl }: Policy,
  { keyring, publicJwks }: Pick<Known, 'keyring'> & { publicJwks: ReturnType<Known['trust']['jwks']> },
) {
  return createKnownCallers({
    keyring,
    prefix: () => keys.prefix,
    peppers: () => keys.peppers,
    order: scopes,
    limits: callerCache,
    trust: { issuer: () => publicUrl, jwks: () => publicJwks, clock: systemClock },
  });
}

/** A dry run opens what was sealed and seals nothing. */
function refuseRandom(): never {
  throw new Error('a dry run has nothing to seal');
}
