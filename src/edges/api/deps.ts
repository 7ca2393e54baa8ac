import type { KeyObject } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Authority } from '../../authority/authority.ts';
import type { StepUp } from '../../authority/step-up.ts';
import type { UpstreamConfig } from '../../config/schema.ts';
import type { Policy } from '../../domain/policy.ts';
import type { Caller, Callers } from '../../ports/callers.ts';
import type { Load } from '../../ports/load.ts';
import type { Log, Tally } from '../../ports/observe.ts';
import type { Replays } from '../../ports/replays.ts';
import type { Throttle } from '../../ports/throttle.ts';
import type { DryRuns } from '../dry-runs.ts';

/** What the API works with. */
export interface ApiDeps extends ApiParts, ApiEdge {}

/** What compose supplies. */
export interface ApiParts {
  readonly authority: Authority;
  readonly callers: Callers;
  readonly throttle: Throttle;
  readonly replays: Replays;
  readonly tally: Tally;
  readonly log: Log;
  readonly newId: () => string;
  readonly policy: () => Policy;
  /** The configured upstreams, as they are now. */
  readonly upstreams: () => readonly UpstreamConfig[];
  /** Public halves that checkpoints verify against. */
  readonly checkpointKeys: () => ReadonlyMap<string, KeyObject>;
  readonly stepUp: StepUp;
  /** True where operators too need a fresh second factor to change anything. */
  readonly stepUpForOperators: boolean;
  issueToken(request: { caller: Caller; ttl?: string | undefined; scopes?: readonly string[] | undefined }): Promise<object>;
  readonly dryRuns: DryRuns;
}

/** What the listeners know and compose does not. */
export interface ApiEdge {
  readonly version: string;
  readonly clientAddress: (incoming: IncomingMessage) => string;
  /** The host that the admin listener is configured for. */
  readonly adminHost: string;
  readonly draining: () => boolean;
  /** What requests of keys take part in; operators get in whatever agents have taken. */
  readonly load: Pick<Load, 'enter'>;
}
