import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Metrics } from '../ports/observe.ts';

export interface PrometheusMetrics extends Metrics {
  /** Text exposition format 0.0.4. */
  readonly text: () => Promise<string>;
  readonly contentType: string;
}

const knownMethods =
  /^(?:initialize|ping|none|response|stream\/open|session\/end|(?:tools|resources|prompts|completion|logging|server|notifications|resources\/templates)\/[a-zA-Z_/]{1,40})$/;

/** @param running how many calls and streams run now */
export function createMetrics(options: { running: () => number }): PrometheusMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const requests = new Counter({
    name: 'keygate_requests_total',
    help: 'Requests by upstream, method, decision and reason.',
    labelNames: ['upstream', 'method', 'decision', 'reason'],
    registers: [registry],
  });
  const seconds = new Histogram({
    name: 'keygate_request_duration_seconds',
    help: 'From the head of the request to the end of the answer.',
    labelNames: ['upstream', 'method', 'decision'],
    buckets: [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
    registers: [registry],
  });
  const configurations = new Counter({
    name: 'keygate_config_events_total',
    help: 'Configuration reloads by result.',
    labelNames: ['event'],
    registers: [registry],
  });
  new Gauge({
    name: 'keygate_running',
    help: 'Calls and streams that run now.',
    registers: [registry],
    collect() {
      this.set(options.running());
    },
  });
  return {
    request(sample) {
      const method = knownMethods.test(sample.method) ? sample.method : 'other';
      requests.inc({ upstream: sample.upstream, method, decision: sample.decision, reason: sample.reason });
      seconds.observe({ upstream: sample.upstream, method, decision: sample.decision }, sample.seconds);
    },
    configuration: (event) => configurations.inc({ event }),
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}
