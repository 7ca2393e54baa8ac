import { createHmac, createSecretKey, hkdfSync } from 'node:crypto';
import { readSigning, type Signing } from './authority/signing.ts';
import type { Config } from './config/schema.ts';
import type { Policy } from './domain/policy.ts';
import { createSeal, type Seal } from './domain/seal.ts';

/** What a reload swaps, as a whole. */
export interface Settings {
  readonly config: Config;
  readonly policy: Policy;
  readonly signing: Signing;
  readonly seal: Seal;
  /** Keyed hash of arguments, or undefined where the journal keeps nothing of them. */
  readonly hashArguments: (text: Buffer) => string | undefined;
}

/** The settings in force. Parts read them at each use, so that secrets rotate without a restart. */
export interface LiveSettings {
  now(): Settings;
  /** The settings a configuration stands for, not yet in force. @throws BadSigningKeys */
  prepare(config: Config): Settings;
  swap(next: Settings): void;
  /** Where the data plane really listens: what a configured port 0 stands for in `publicUrl`. */
  boundTo(url: string): void;
  /** The newest secret seals, every one in force opens. */
  readonly seal: Seal;
}

/** @throws BadSigningKeys */
export function createLiveSettings(
  config: Config,
  { compile, random }: { compile: (config: Config) => Policy; random: (bytes: number) => Uint8Array },
): LiveSettings {
  let boundUrl: string | undefined;
  const withPublicUrl = (policy: Policy): Policy =>
    boundUrl !== undefined && new URL(policy.publicUrl).port === '0' ? { ...policy, publicUrl: boundUrl } : policy;

  const read = (from: Config, before?: Settings): Settings => ({
    config: from,
    policy: withPublicUrl(compile(from)),
    // The same keys stay the same object: caches of verified tokens and signed assertions hang on it.
    signing: before?.config.keys.signing === from.keys.signing ? before.signing : readSigning(from.keys.signing),
    seal: createSeal({ secrets: from.keys.seal, random }),
    hashArguments: argumentHash(from),
  });

  let current = read(config);
  return {
    now: () => current,
    prepare: (from) => read(from, current),
    swap(next) {
      current = next;
    },
    boundTo(url) {
      boundUrl = url;
      current = { ...current, policy: withPublicUrl(current.policy) };
    },
    seal: { seal: (options) => current.seal.seal(options), open: (options) => current.seal.open(options) },
  };
}

/** Equal arguments can be seen to be equal, but nobody without the pepper can try guesses against the journal. */
function argumentHash(config: Config): (text: Buffer) => string | undefined {
  if (config.journal.arguments === 'none') return () => undefined;
  const [pepper = ''] = config.keys.peppers;
  // A key object, because createHmac would make one of a buffer at every call, at eight times the cost of the hash (measured).
  const key = createSecretKey(Buffer.from(hkdfSync('sha256', pepper, '', 'keygate-arguments-v1', 32)));
  return (text) => createHmac('sha256', key).update(text).digest('hex');
}
