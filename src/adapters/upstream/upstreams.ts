import { isDeepStrictEqual } from 'node:util';
import { Pool } from 'undici';
import { Denial } from '../../domain/denial.ts';
import type { ReadMemory } from '../../domain/read-memory.ts';
import type { Target } from '../../domain/target.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/observe.ts';
import type { Upstreams } from '../../ports/upstreams.ts';
import { createDuplexUpstream, type DuplexLimits, type DuplexUpstream } from './duplex/duplex-upstream.ts';
import { createHttpUpstreams, type UpstreamPoolLimits } from './http.ts';
import { openEventLinks } from './sse/event-link.ts';
import { openChildLinks } from './stdio/child-link.ts';
import { createChildLog } from './stdio/child-log.ts';
import { childEnvironment } from './stdio/environment.ts';

/** Where an upstream is, and how it is reached. */
export type UpstreamTarget = Target & { readonly url: string };

export interface AllUpstreams extends Upstreams {
  /** Takes the upstreams of a new configuration; calls to those that left or changed end as they would have. */
  configure(targets: ReadonlyMap<string, UpstreamTarget>): void;
  close(): Promise<void>;
}

interface UpstreamsOptions {
  readonly targets: ReadonlyMap<string, UpstreamTarget>;
  readonly pools: UpstreamPoolLimits;
  /** Where HTTP upstreams' answers are read. */
  readonly memory: Pick<ReadMemory, 'landing' | 'take'>;
  /** Connections for calls of one HTTP upstream, where it has a bound of its own. */
  readonly connectionsMax?: (upstream: string) => number | undefined;
  /** Of servers with HTTP+SSE. Children have their own in the configuration. */
  readonly sse: DuplexLimits;
  readonly bytes: () => { readonly answerBytesMax: number; readonly eventBytesMax: number };
  /** The gateway's own environment, of which children get a little. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly log: Log;
  readonly newId: () => string;
}

interface Kept {
  readonly target: UpstreamTarget;
  readonly duplex: DuplexUpstream;
}

/** Every upstream by its transport: Streamable HTTP, HTTP+SSE, children on pipes. To the stages they look the same. */
export function createUpstreams(options: UpstreamsOptions): AllUpstreams {
  const { connectionsMax } = options;
  const http = createHttpUpstreams({
    targets: httpTargets(options.targets),
    limits: options.pools,
    memory: options.memory,
    ...(connectionsMax && { connectionsMax }),
  });
  const kept = new Map<string, Kept>();
  const leaving = new Set<DuplexUpstream>();
  const retire = (duplex: DuplexUpstream): void => {
    leaving.add(duplex);
    void duplex.retire().finally(() => leaving.delete(duplex));
  };
  // A process that ends without being asked in order must not leave children behind that ignore the end of their input.
  const killAll = (): void => {
    for (const duplex of [...leaving, ...[...kept.values()].map((one) => one.duplex)]) duplex.kill();
  };
  process.once('exit', killAll);

  const upstreams: AllUpstreams = {
    configure(targets) {
      http.configure(httpTargets(targets));
      for (const [name, { target, duplex }] of [...kept]) {
        if (isDeepStrictEqual(target, locationOf(targets.get(name)))) continue;
        kept.delete(name);
        retire(duplex);
      }
      for (const [name, wanted] of targets) {
        const target = locationOf(wanted);
        if (target && target.transport !== 'http' && !kept.has(name)) kept.set(name, { target, duplex: openDuplex(options, name, target) });
      }
    },
    dispatch(request, receiver) {
      const known = kept.get(request.upstream);
      if (!known) return http.dispatch(request, receiver);
      if (request.url !== undefined && request.url !== known.target.url) {
        throw new Denial('UPSTREAM_FAILED', { detail: 'The upstream has just left or moved.', facts: { outcome: 'not-sent' } });
      }
      return known.duplex.dispatch(request, receiver);
    },
    async close() {
      const all = [...leaving, ...[...kept.values()].map(({ duplex }) => duplex)];
      kept.clear();
      await Promise.all([http.close(), ...all.map((duplex) => duplex.close())]);
      process.off('exit', killAll);
    },
  };
  upstreams.configure(options.targets);
  return upstreams;
}

function httpTargets(targets: ReadonlyMap<string, UpstreamTarget>): Map<string, string> {
  return new Map([...targets].flatMap(([name, { transport, url }]) => (transport === 'http' ? [[name, url]] : [])));
}

/** Of whatever else an upstream is, only where it is. */
function locationOf(target: UpstreamTarget | undefined): UpstreamTarget | undefined {
  if (target?.transport !== 'stdio') return target && { transport: target.transport, url: target.url };
  return { transport: 'stdio', url: target.url, command: target.command, children: target.children };
}

function openDuplex(options: UpstreamsOptions, name: string, target: UpstreamTarget): DuplexUpstream {
  const { sse, pools, bytes, clock, log, newId, environment } = options;
  if (target.transport !== 'stdio') {
    const { origin } = new URL(target.url);
    const shared = { pipelining: 1, connect: { timeout: pools.connectTimeoutMs }, allowH2: false } as const;
    const calls = new Pool(origin, { ...shared, connections: pools.callConnectionsMax });
    const streams = new Pool(origin, { ...shared, connections: pools.streamConnectionsMax });
    const { startTimeoutMs } = sse;
    const eventBytesMax = () => Math.max(bytes().eventBytesMax, bytes().answerBytesMax);
    const open = openEventLinks({ url: target.url, calls, streams, startTimeoutMs, eventBytesMax });
    return withPools(createDuplexUpstream({ open, shared: false, limits: sse, clock, newId }), [calls, streams]);
  }
  const { command, children } = target;
  const secrets = [...Object.values(command.env), ...command.args];
  const open = openChildLinks({
    ...{ command, children },
    env: childEnvironment(environment, command.env),
    log: createChildLog({ upstream: name, secrets, log, clock }),
    lineBytesMax: () => Math.max(bytes().eventBytesMax, bytes().answerBytesMax),
  });
  const { childrenMax, childrenPerKeyMax, idleMs, startTimeoutMs } = children;
  const shared = children.process === 'shared';
  // A child for each era is all that sharing needs.
  const most = shared
    ? { linksMax: sharedLinksMax, linksPerKeyMax: sharedLinksMax }
    : { linksMax: childrenMax, linksPerKeyMax: childrenPerKeyMax };
  return createDuplexUpstream({ open, shared, limits: { ...most, idleMs, startTimeoutMs, sessionsMax: sse.sessionsMax }, clock, newId });
}

/** Two that run, one for each era, and two that are ending. */
const sharedLinksMax = 4;

function withPools(duplex: DuplexUpstream, pools: readonly Pool[]): DuplexUpstream {
  const destroy = async (): Promise<void> => void (await Promise.all(pools.map((pool) => pool.destroy())));
  return {
    dispatch: duplex.dispatch,
    kill: duplex.kill,
    retire: () => duplex.retire().finally(destroy),
    close: () => duplex.close().finally(destroy),
  };
}
