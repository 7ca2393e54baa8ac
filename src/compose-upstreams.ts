import { randomUUID } from 'node:crypto';
import { createEraBridge } from './adapters/upstream/bridge/era-bridge.ts';
import { createGuardedUpstreams, type GuardTerms } from './adapters/upstream/guarded.ts';
import { createPassthrough } from './adapters/upstream/passthrough.ts';
import { createUpstreams } from './adapters/upstream/upstreams.ts';
import type { Policy } from './domain/policy.ts';
import { ReadMemory } from './domain/read-memory.ts';
import type { UpstreamHealth } from './domain/upstream-terms.ts';
import type { Clock } from './ports/clock.ts';
import type { Ledger } from './ports/ledger.ts';
import type { Log } from './ports/observe.ts';
import type { Passthrough } from './ports/passthrough.ts';
import type { Upstreams } from './ports/upstreams.ts';

const upstreamPools = { callConnectionsMax: 256, streamConnectionsMax: 5_000, connectTimeoutMs: 5_000 } as const;

/** Sessions at servers with HTTP+SSE, each with a stream of its own. */
const eventLinks = { linksMax: 1_000, linksPerKeyMax: 100, sessionsMax: 10_000, idleMs: 600_000, startTimeoutMs: 10_000 } as const;

export interface OpenedUpstreams {
  /** In each upstream's own terms: whoever asks speaks its era. */
  readonly upstreams: Upstreams;
  /** In the caller's era, whatever the upstream's. */
  readonly bridged: Upstreams;
  readonly passthrough: Passthrough;
  /** Takes back what answers were read in. */
  readonly memory: Pick<ReadMemory, 'giveBack'>;
  /** How each upstream is doing, as this process sees it. */
  health(): UpstreamHealth[];
  /** Takes the upstreams of a new configuration. */
  configure(policy: Policy): void;
  close(): Promise<void>;
}

/** The ways to the upstreams, of every transport, each behind its guard, and a bridge between the eras before them all. */
export function openUpstreams(options: { policy: () => Policy; clock: Clock; ledger: Pick<Ledger, 'record'>; log: Log }): OpenedUpstreams {
  const { policy, clock, ledger, log } = options;
  const memory = new ReadMemory();
  const ways = createUpstreams({ ...upstreamsOf({ policy, clock, log }), memory });
  const guarded = createGuardedUpstreams({ upstreams: ways, terms: termsOf(policy()), clock, ledger, log });
  const protocolOf = (name: string) => policy().upstreams.get(name)?.protocol ?? 'auto';
  const bridge = createEraBridge({ upstreams: guarded, clock, log, protocolOf, limits: () => policy().limits, newId: randomUUID });
  return {
    upstreams: guarded,
    bridged: bridge,
    passthrough: createPassthrough(guarded),
    memory,
    health: guarded.health,
    configure(next) {
      ways.configure(next.upstreams);
      guarded.configure(termsOf(next));
      bridge.forget();
    },
    async close() {
      await bridge.close();
      await ways.close();
    },
  };
}

/** What every set of upstreams is made with. */
export function upstreamsOf({ policy, clock, log }: { policy: () => Policy; clock: Clock; log: Log }) {
  const bytes = () => policy().limits;
  const connectionsMax = (name: string) => policy().upstreams.get(name)?.limits.connectionsMax;
  return {
    ...{ targets: policy().upstreams, pools: upstreamPools, sse: eventLinks, bytes, connectionsMax },
    ...{ environment: process.env, clock, log, newId: randomUUID },
  };
}

function termsOf(policy: Policy): Map<string, GuardTerms> {
  return new Map([...policy.upstreams].map(([name, { url, breaker, limits }]) => [name, { url, breaker, limits }]));
}
