import type { Config, Limits } from './schema.ts';

/** Limits of the gateway as a whole, of which each of several processes has its share. */
export const sharedLimits = [
  'connectionsMax',
  'connectionsPerAddressMax',
  'requestsMax',
  'bodiesBytesMax',
  'streamsMax',
  'streamsPerKeyMax',
  'streamsPerAddressMax',
] as const satisfies readonly (keyof Limits)[];

/** The same of each upstream. A queue may be none. */
export const sharedUpstreamLimits = ['concurrencyMax', 'connectionsMax'] as const;

/**
 * The configuration of one of the processes that serve together. The system deals connections among them, and each counts for itself: what all of
 * them let in is never more than is configured, and one of them may be full a little before.
 * @param config as it was sent by another process, which loses that records of names have no prototype
 */
export function shareOf(config: Config): Config {
  const { workers, limits } = config;
  const share = (whole: number): number => Math.floor(whole / workers);
  const upstreams = named(config.upstreams, (upstream) => ({
    ...upstream,
    limits: {
      concurrencyMax: share(upstream.limits.concurrencyMax),
      connectionsMax: share(upstream.limits.connectionsMax),
      queueMax: share(upstream.limits.queueMax),
    },
  }));
  return {
    ...config,
    upstreams,
    agents: named(config.agents, (agent) => agent),
    bots: named(config.bots, (bot) => bot),
    limits: { ...limits, ...Object.fromEntries(sharedLimits.map((name) => [name, share(limits[name])])) },
  };
}

/** No name is found that was not configured. */
function named<T>(all: Readonly<Record<string, T>>, each: (one: T) => T): Record<string, T> {
  const made: Record<string, T> = Object.create(null);
  for (const [name, one] of Object.entries(all)) made[name] = each(one);
  return made;
}
