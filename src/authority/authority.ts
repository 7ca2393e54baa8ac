import type { Guards } from '../domain/guard.ts';
import type { Environment } from '../domain/key.ts';
import type { ScopeOrder } from '../domain/scope.ts';
import type { PinTerms } from '../domain/tool-pin.ts';
import type { Clock } from '../ports/clock.ts';
import type { Journal } from '../ports/journal.ts';
import type { Keyring } from '../ports/keyring.ts';
import type { Ledger } from '../ports/ledger.ts';
import type { Pins } from '../ports/pins.ts';

/** How keys are made here: the `keys` section of the configuration. */
export interface KeySettings {
  readonly prefix: string;
  /** Secrets that digest keys, newest first; new keys are digested under the first. */
  readonly peppers: readonly string[];
  readonly expiry: {
    /** Lifetime of a key whose request names none, in milliseconds. */
    readonly defaultMs?: number | undefined;
    /** Longest lifetime allowed, in milliseconds. */
    readonly maxMs?: number | undefined;
    /** True where a key without an end is refused. */
    readonly required: boolean;
  };
  readonly children: {
    /** How many generations may descend from a key. */
    readonly depthMax: number;
  };
  readonly guards: Guards;
}

/** What management acts work with. The command line and the admin API share these acts, so neither can do what the other cannot. */
export interface Authority {
  readonly clock: Clock;
  /** Random bytes from the system's generator. */
  readonly random: (bytes: number) => Uint8Array;
  readonly keyring: Keyring;
  readonly ledger: Ledger;
  readonly journal: Journal;
  readonly pins: Pins;
  readonly keys: KeySettings;
  /** The order of actions in scopes. */
  readonly scopes: ScopeOrder;
  /** The configured upstreams. */
  readonly upstreams: readonly {
    readonly name: string;
    readonly environment: Environment;
    readonly pinning: PinTerms;
    /** For each rule that has a price: the scopes that a key needs, all of them. */
    readonly pricedScopes: readonly (readonly string[])[];
  }[];
}
