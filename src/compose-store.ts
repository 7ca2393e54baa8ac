import { randomBytes, randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import { createFolderArchive } from './adapters/archive/folder.ts';
import { createS3Archive } from './adapters/archive/s3.ts';
import { createConditions } from './adapters/condition.ts';
import { openDeferred } from './adapters/deferred-store.ts';
import { openStore } from './adapters/lmdb/store.ts';
import { createLog } from './adapters/log.ts';
import { openRedisStore } from './adapters/redis/store.ts';
import { createAwsSecrets } from './adapters/secrets/aws.ts';
import { createVaultSecrets } from './adapters/secrets/vault.ts';
import type { Authority } from './authority/authority.ts';
import { readSigning, type Signing } from './authority/signing.ts';
import { createStepUp, type StepUp } from './authority/step-up.ts';
import { type Loaded, loadConfig } from './config/load.ts';
import type { Config } from './config/schema.ts';
import { createCalendar } from './domain/calendar.ts';
import { pepperId } from './domain/credential.ts';
import { scopeProblem } from './domain/scope.ts';
import { createSeal, type Seal } from './domain/seal.ts';
import type { OpenedStore } from './edges/cli/deps.ts';
import { configFailure } from './edges/cli/failure.ts';
import type { Archive } from './ports/archive.ts';
import type { Log } from './ports/observe.ts';
import type { Store } from './ports/store.ts';
import type { Throttle } from './ports/throttle.ts';
import { systemClock } from './system-clock.ts';

/** Where a process stands: what every part of it is relative to. */
export interface Surroundings {
  readonly configFile: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** In place of the number of workers configured; 0 = one for each core. */
  readonly workers?: number | undefined;
}

/**
 * The operational log, on standard error.
 * @param level pino's: trace, debug, info, warn, error, fatal, silent
 * @param worker which of several processes that serve writes it
 */
export function openLog(level: string, worker?: number): Log {
  return createLog({ level, worker });
}

export function readConfig({ configFile, env, cwd, workers }: Surroundings): Promise<Loaded> {
  const conditions = createConditions();
  const secretSources = { aws: createAwsSecrets(), vault: createVaultSecrets({ env, cwd }) };
  return loadConfig({ file: configFile, env, cwd, workers, checkCondition: conditions.problem, checkScope: scopeProblem, secretSources });
}

/** @throws CommandFailure naming every problem of the configuration */
export async function requireConfig(surroundings: Surroundings): Promise<Extract<Loaded, { ok: true }>> {
  const loaded = await readConfig(surroundings);
  if (loaded.ok) return loaded;
  throw configFailure(resolve(surroundings.cwd, surroundings.configFile), loaded.problems, surroundings.cwd);
}

/** The store of a configuration, and the management acts on it: what the command line works with, beside a running gateway. */
export async function openAuthority(
  surroundings: Surroundings,
): Promise<{ authority: Authority; stepUp: StepUp; config: Config; close(): Promise<void> }> {
  const { config } = await requireConfig(surroundings);
  const { store } = await openConfigured(config, { serving: false, log: openLog('error') });
  return { authority: authorityOf(config, store), stepUp: stepUpOf(config, store), config, close: () => store.close() };
}

/** The store of a configuration as a whole, beside the gateways that may serve from it. */
export async function openWholeStore(surroundings: Surroundings): Promise<OpenedStore> {
  const { config } = await requireConfig(surroundings);
  const { store, signing } = await openConfigured(config, { serving: false, log: openLog('error') });
  return { store, clock: systemClock, calendar: createCalendar(), signing, close: () => store.close() };
}

export function authorityOf(config: Config, store: Store): Authority {
  const { keyring, ledger, journal, pins } = store;
  const { keys, scopes } = config;
  const upstreams = Object.values(config.upstreams).map(({ name, environment, tools, resources, prompts, methods, pinning }) => ({
    name,
    environment,
    pinning,
    pricedScopes: [tools === 'annotations' ? [] : tools, resources, prompts, methods]
      .flat()
      .flatMap((rule) => (rule.price > 0 ? [rule.scopes] : [])),
  }));
  return { clock: systemClock, random: randomBytes, keyring, ledger, journal, pins, keys, scopes, upstreams };
}

/** The second factors of a store's keys. */
export function stepUpOf({ keys, stepUp }: Config, { factors }: Store, more: { throttle?: Throttle; seal?: Seal } = {}): StepUp {
  const seal = more.seal ?? createSeal({ secrets: keys.seal, random: randomBytes });
  return createStepUp({ factors, random: randomBytes, clock: systemClock, ...stepUp, ...more, seal });
}

/**
 * Opens the store of a configuration. @throws Error where it is another's, damaged, must not be used, or has a gateway already
 * @param options.serving this process is to be a gateway of the store; a shared store need not be there yet
 * @param options.instance  names the process life, where others must know it
 * @param options.gateway  the instance of the gateway that this process serves for, as one of several
 * @param options.signing the keys that sign now, where they may change while the store is open; so may the thresholds
 */
export async function openConfigured(
  config: Config,
  options: Opening & { signing?: () => Signing; thresholds?: () => readonly number[] },
): Promise<{ store: Store; signing: Signing }> {
  const first = readSigning(config.keys.signing);
  const { serving, log, signing = () => first, thresholds = () => config.budgets.thresholds } = options;
  const open = async (): Promise<Store> => {
    const store = await openKind(config, { ...options, signing, thresholds });
    try {
      await requirePepper(store, config);
      return store;
    } catch (error) {
      await store.close();
      throw error;
    }
  };
  return { store: serving ? await openDeferred({ open, log }) : await open(), signing: first };
}

interface Opening {
  readonly serving: boolean;
  readonly log: Log;
  readonly instance?: string;
  readonly gateway?: string | undefined;
}

function openKind(
  { store, redis, journal, workers }: Config,
  options: Opening & { signing: () => Signing; thresholds: () => readonly number[] },
): Promise<Store> {
  const { serving, log, instance = randomUUID(), gateway, signing, thresholds } = options;
  const signer = {
    get kid() {
      return signing().ed25519.kid;
    },
    sign: (text: string) => signing().ed25519.sign(text),
  };
  const shared = { clock: systemClock, calendar: createCalendar(), signer, instance, serving, thresholds };
  if (store.kind === 'folder')
    return openStore({ ...shared, folder: store.folder, worker: gateway === undefined ? undefined : { gateway }, alone: workers === 1 });
  const { durability: mode, replicas, commandTimeoutMs } = redis;
  return openRedisStore({
    ...{ ...shared, log, commandTimeoutMs, url: store.url, newId: randomUUID, durability: { mode, replicas } },
    archive: archiveOf(journal),
    publicKeys: () => signing().checkpointKeys,
  });
}

function archiveOf({ archive }: Config['journal']): Archive | undefined {
  if (archive === undefined) return undefined;
  if (archive.kind === 'folder') return createFolderArchive({ folder: archive.folder, random: randomBytes });
  return createS3Archive({ address: { ...archive, prefix: archive.prefix === '' ? '' : `${archive.prefix}/` } });
}

/** The oldest pepper is the one the store began with: without it every key would be unknown. @throws Error where it is another */
export async function requirePepper(store: Pick<Store, 'fingerprint'>, { keys }: Config): Promise<void> {
  const [oldest = ''] = keys.peppers.slice(-1);
  await store.fingerprint('pepper', pepperId(oldest));
}
