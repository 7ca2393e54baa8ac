import { AggregatorRegistry } from 'prom-client';
import type { MetricValues } from './asks.ts';

export interface MetricSums {
  /** The text of all workers together; one that did not answer counts as it was last. */
  text(answers: ReadonlyMap<number, readonly MetricValues[] | undefined>): Promise<string>;
  /** What this worker had counted stays. */
  left(worker: number): void;
}

/**
 * Adds up what the workers count. A counter that falls looks to whoever scrapes as if it had begun anew, with all that is left counted once more: so
 * what a worker had counted when it was last asked stays when it is gone, and what it counted since is lost.
 */
export function createMetricSums(): MetricSums {
  const last = new Map<number, readonly MetricValues[]>();
  const gone: (readonly MetricValues[])[] = [];
  return {
    async text(answers) {
      for (const [worker, metrics] of answers) if (metrics) last.set(worker, metrics);
      if (gone.length > 1) gone.splice(0, gone.length, await sum(gone).getMetricsAsJSON());
      return await sum([...[...answers.keys()].map((worker) => last.get(worker) ?? []), ...gone]).metrics();
    },
    left(worker) {
      const counted = last.get(worker)?.filter(({ type }) => type === 'counter' || type === 'histogram');
      last.delete(worker);
      if (counted) gone.push(counted);
    },
  };
}

function sum(all: readonly (readonly MetricValues[])[]) {
  return AggregatorRegistry.aggregate(all.map((metrics) => [...metrics]));
}
