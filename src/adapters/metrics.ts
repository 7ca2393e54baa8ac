import {
  type Aggregator,
  Counter,
  collectDefaultMetrics,
  Gauge,
  type Histogram,
  type MetricObjectWithValues,
  type MetricValue,
  Registry,
} from 'prom-client';
import { isNamedMethod } from '../domain/method.ts';
import { type RequestCount, RequestCounts } from '../domain/request-counts.ts';
import type { UpstreamHealth } from '../domain/upstream-terms.ts';
import type { Load } from '../ports/load.ts';
import type { Metrics } from '../ports/observe.ts';

export interface PrometheusMetrics extends Metrics {
  /** Text exposition format 0.0.4. */
  readonly text: () => Promise<string>;
  readonly contentType: string;
  /** What this process counted, to be summed with what others did. */
  readonly values: () => Promise<MetricObjectWithValues<MetricValue<string>>[]>;
}

/** How requests without a method are counted. */
const unnamed: ReadonlySet<string> = new Set([
  ...['none', 'response', 'stream/open', 'session/end'],
  ...['http/GET', 'http/HEAD', 'http/POST', 'http/PUT', 'http/PATCH', 'http/DELETE', 'http/upgrade'],
]);

/** Callers choose the method, also callers without a key: a label of its own for whatever they send would be memory without a bound. */
function methodLabel(method: string): string {
  return unnamed.has(method) || isNamedMethod(method) ? method : 'other';
}

const stateNumbers = { closed: 0, 'half-open': 1, open: 2 } as const;

/**
 * @param options.running how many calls and streams run now
 * @param options.heldTools how many tools are held back, by upstream; rejects where nobody can say
 */
export function createMetrics(options: {
  running: () => number;
  load: Pick<Load, 'requests' | 'bodyBytes' | 'lagMs'>;
  upstreams: () => readonly UpstreamHealth[];
  heldTools: () => Promise<ReadonlyMap<string, number>>;
}): PrometheusMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const counted = new RequestCounts(durationBounds);
  countRequests(registry, counted);
  const configurations = new Counter({
    name: 'keygate_config_events_total',
    help: 'Configuration reloads by result.',
    labelNames: ['event'],
    registers: [registry],
  });
  const soft = new Counter({
    name: 'keygate_soft_limits_total',
    help: 'Admitted calls that went beyond a soft limit, by upstream.',
    labelNames: ['upstream'],
    registers: [registry],
  });
  const connectionsRefused = new Counter({
    name: 'keygate_connections_refused_total',
    help: 'Connections of agents that were closed at once: there were as many as may be, of all or of their address.',
    registers: [registry],
  });
  gaugeLoad(registry, options.load);
  new Gauge({
    name: 'keygate_running',
    help: 'Calls and streams that run now.',
    registers: [registry],
    collect() {
      this.set(options.running());
    },
  });
  gaugeUpstreams(registry, options.upstreams);
  new Gauge({
    name: 'keygate_tools_held_back',
    help: 'Tools that are quarantined or wait for an approval, by upstream. Absent while the store does not say.',
    // The store says the same to each of several processes.
    aggregator: 'max',
    labelNames: ['upstream'],
    registers: [registry],
    async collect() {
      const counts = await options.heldTools().catch(() => new Map<string, number>());
      this.reset();
      for (const [upstream, count] of counts) this.set({ upstream }, count);
    },
  });
  return {
    request(sample) {
      const { upstream, decision, reason, seconds } = sample;
      counted.add({ upstream, method: methodLabel(sample.method), decision, reason, seconds });
    },
    configuration: (event) => configurations.inc({ event }),
    overSoftLimit: (upstream) => soft.inc({ upstream }),
    connectionRefused: () => connectionsRefused.inc(),
    text: () => registry.metrics(),
    contentType: registry.contentType,
    values: () => registry.getMetricsAsJSON(),
  };
}

/** Of how long requests took, in seconds. */
const durationBounds = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** What was counted in plain numbers is handed over when it is asked for: to count by labels costs several times as much, and each call is counted (measured). */
function countRequests(registry: Registry, counted: RequestCounts): void {
  new Counter({
    name: 'keygate_requests_total',
    help: 'Requests by upstream, method, decision and reason.',
    labelNames: ['upstream', 'method', 'decision', 'reason'],
    registers: [registry],
    collect() {
      this.reset();
      for (const { labels, reasons } of counted.all()) for (const [reason, count] of reasons) this.inc({ ...labels, reason }, count);
    },
  });
  // The library's own histogram takes samples only, one by one; the registry asks no more of a metric than this.
  const name = 'keygate_request_duration_seconds';
  const described = { name, help: 'From the head of the request to the end of the answer.', type: 'histogram', aggregator: 'sum' };
  const get = async () => ({ ...described, values: counted.all().flatMap((one) => valuesOf(name, one)) });
  registry.registerMetric({ name, get, reset: () => undefined } as unknown as Histogram);
}

/** The lines of one set of labels. Buckets hold all that is below their bound. */
function valuesOf(name: string, { labels, within, seconds, count }: RequestCount) {
  let below = 0;
  const buckets = within.map((some, at) => {
    below += some;
    return { metricName: `${name}_bucket`, labels: { le: durationBounds[at], ...labels }, value: below };
  });
  return [
    ...buckets,
    { metricName: `${name}_bucket`, labels: { le: '+Inf', ...labels }, value: count },
    { metricName: `${name}_sum`, labels, value: seconds },
    { metricName: `${name}_count`, labels, value: count },
  ];
}

function gaugeLoad(registry: Registry, load: Pick<Load, 'requests' | 'bodyBytes' | 'lagMs'>): void {
  const gauge = (name: string, help: string, read: () => number, aggregator: Aggregator = 'sum'): void => {
    new Gauge({
      name,
      help,
      aggregator,
      registers: [registry],
      collect() {
        this.set(read());
      },
    });
  };
  gauge('keygate_requests_under_way', 'Requests under way, without streams.', () => load.requests);
  gauge('keygate_request_body_bytes', 'Bytes of request bodies that are kept.', () => load.bodyBytes);
  const late = 'The longest that the event loop was late within the last minute.';
  gauge('keygate_event_loop_lag_seconds', late, () => load.lagMs() / 1000, 'max');
}

function gaugeUpstreams(registry: Registry, upstreams: () => readonly UpstreamHealth[]): void {
  const gauge = (name: string, help: string, read: (health: UpstreamHealth) => number, aggregator: Aggregator = 'sum'): void => {
    new Gauge({
      name,
      help,
      aggregator,
      labelNames: ['upstream'],
      registers: [registry],
      collect() {
        // Upstreams leave with a reload, and what is not there has no state.
        this.reset();
        for (const health of upstreams()) this.set({ upstream: health.upstream }, read(health));
      },
    });
  };
  gauge('keygate_upstream_state', 'Breaker: 0 closed, 1 one call tries, 2 open.', ({ state }) => stateNumbers[state], 'max');
  gauge('keygate_upstream_inflight', 'Calls and listening streams under way.', ({ inflight }) => inflight);
  gauge('keygate_upstream_waiting', 'Calls that wait for their turn.', ({ waiting }) => waiting);
}
