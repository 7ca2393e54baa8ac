import type { KeyRecord } from '../../domain/key.ts';
import type { Policy } from '../../domain/policy.ts';
import type { Caller } from '../../ports/callers.ts';

/** Rules to try cases on: those of a configuration, without its store. */
export interface RuleBench {
  readonly policy: Policy;
  /** A caller of a key that no store holds. */
  callerOf(record: KeyRecord): Promise<Caller>;
  now(): number;
}
