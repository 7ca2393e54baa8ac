import { createGuardedUpstreams, type GuardTerms } from './adapters/upstream/guarded.ts';
import { createHttpUpstreams } from './adapters/upstream/http.ts';
import { createPassthrough } from './adapters/upstream/passthrough.ts';
import type { Policy } from './domain/policy.ts';
import type { UpstreamHealth } from './domain/upstream-terms.ts';
import type { Clock } from './ports/clock.ts';
import type { Ledger } from './ports/ledger.ts';
import type { Log } from './ports/observe.ts';
import type { Passthrough } from './ports/passthrough.ts';
import type { Upstreams } from './ports/upstreams.ts';

export const upstreamPools = { callConnectionsMax: 256, streamConnectionsMax: 5_000, connectTimeoutMs: 5_000 } as const;

export interface OpenedUpstreams {
  readonly upstreams: Upstreams;
  readonly passthrough: Passthrough;
  /** How each upstream is doing, as this process sees it. */
  health(): UpstreamHealth[];
  /** Takes the upstreams of a new configuration. */
  configure(policy: Policy): void;
  close(): Promise<void>;
}

/** The ways to the upstreams, each behind its guard. */
export function openUpstreams(options: { policy: () => Policy; clock: Clock; ledger: Pick<Ledger, 'record'>; log: Log }): OpenedUpstreams {
  const { policy, clock, ledger, log } = options;
  const connectionsMax = (name: string) => policy().upstreams.get(name)?.limits.connectionsMax;
  const http = createHttpUpstreams({ targets: targetsOf(policy()), limits: upstreamPools, connectionsMax });
  const guarded = createGuardedUpstreams({ upstreams: http, terms: termsOf(policy()), clock, ledger, log });
  return {
    upstreams: guarded,
    passthrough: createPassthrough(guarded),
    health: guarded.health,
    configure(next) {
      http.configure(targetsOf(next));
      guarded.configure(termsOf(next));
    },
    close: () => http.close(),
  };
}

export function targetsOf(policy: Policy): Map<string, string> {
  return new Map([...policy.upstreams].map(([name, { url }]) => [name, url]));
}

function termsOf(policy: Policy): Map<string, GuardTerms> {
  return new Map([...policy.upstreams].map(([name, { url, breaker, limits }]) => [name, { url, breaker, limits }]));
}
