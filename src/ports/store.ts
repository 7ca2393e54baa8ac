import type { Restoring, RunningEntry, StateEntry } from './dump.ts';
import type { Duties } from './duties.ts';
import type { Factors } from './factors.ts';
import type { Journal } from './journal.ts';
import type { Keyring } from './keyring.ts';
import type { Ledger } from './ledger.ts';
import type { Pins } from './pins.ts';
import type { Replays } from './replays.ts';
import type { Throttle } from './throttle.ts';

/** One opened store: every port that keeps something between requests. Embedded (one machine), or shared by any number of replicas. */
export interface Store {
  readonly keyring: Keyring;
  readonly ledger: Ledger;
  readonly journal: Journal;
  readonly factors: Factors;
  readonly replays: Replays;
  readonly pins: Pins;
  readonly duties: Duties;
  /** Counts shared by every replica; absent where the gateway is alone and counts for itself. */
  readonly throttle?: Throttle;
  /** Why nothing can be admitted now, in words for an operator and without a secret; undefined while the store answers. */
  trouble(): string | undefined;
  /** Makes this process life a gateway of the store. @throws Error where the store can have no further one */
  claimGateway(): Promise<void>;
  /** The first call keeps the value under the name; a later one with another value throws: it is not the store of this configuration. */
  fingerprint(name: string, value: string): Promise<void>;
  /**
   * Everything that the store keeps besides the journal, which is read by its own port: fingerprints, keys and accounts first, because they
   * tell where the rest belongs. What merely remembers calls that have ended is left out: whoever could ask for it has ended too.
   * @param options.serving also while gateways serve; what runs is then among the entries, and the store changes meanwhile
   * @throws Error, before the first entry, where a gateway is serving or calls are running
   */
  dump(options?: { serving?: boolean }): AsyncIterable<StateEntry | RunningEntry>;
  /**
   * Takes in what another store gave. From its first write until all is checked nobody can open the store, and nobody ever can where it is
   * broken off: then the target is emptied by hand, as the message of whoever tries to open it says.
   * @throws Error, before any write, where this store is not empty, has a gateway, or is of another configuration
   */
  restore(restoring: Restoring): Promise<void>;
  /** Waits for running commits, gives the gateway claim up, closes. */
  close(): Promise<void>;
}

/** The store did not answer, or not yet: trying again may help. Its message holds no secret. */
export class StoreUnreachable extends Error {
  override readonly name = 'StoreUnreachable';
}
