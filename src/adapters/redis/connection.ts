import type { Cluster, Redis } from 'ioredis';

/** A script as the server runs it: atomically, within one slot. */
export interface Script {
  /** Of its file in lua/, without the ending. */
  readonly name: string;
  readonly source: string;
  /** SHA-1 of the source, hex: what EVALSHA names it by. */
  readonly sha: string;
}

/** What a script answered, and which master ran it. */
export interface Ran {
  readonly reply: unknown;
  readonly node: Redis;
  /** False once the connection over which the script was sent has been lost. */
  unbroken(): boolean;
}

/**
 * One Redis or Valkey, single, behind Sentinel, or a cluster. Every command is bounded in time: a promise rejects where the server does not
 * answer, and then nothing can be said about the command (it may still have run).
 */
export interface Connection {
  /** For commands; routed by their first key in a cluster. */
  readonly client: Redis | Cluster;
  /**
   * Runs a script by its hash, or by its source where the server does not have it.
   * @param keys  the first decides the slot, and every key that the script touches is in it
   */
  run(script: Script, keys: readonly string[], args: readonly string[]): Promise<unknown>;
  /** As run(), for who has to say more to the master that ran it. */
  runAt(script: Script, keys: readonly string[], args: readonly string[]): Promise<Ran>;
  /** A connection of its own to the same place, for commands that block, a second at most. The caller ends it. */
  dedicated(): Redis | Cluster;
  /** Every master there is now: one, or those of the cluster. */
  masters(): Redis[];
  /** Why the server cannot be used now, or undefined. */
  trouble(): string | undefined;
  /** Calls back whenever the connection to a master was lost, or made anew: then it may be another server, set up in another way. */
  onLink(listener: (change: 'lost' | 'made') => void): void;
  close(): Promise<void>;
}
