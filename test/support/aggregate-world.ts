import { startTestGateway, type TestGateway, upstreamConfig } from './gateway.ts';
import { type RecordingUpstream, type RecordingUpstreamOptions, startRecordingUpstream } from './recording-upstream.ts';

/** A gateway over several recording upstreams, in the order of their names here. */
export interface AggregateWorld {
  readonly gate: TestGateway;
  upstream(name: string): RecordingUpstream;
  close(): Promise<void>;
}

export async function startAggregateWorld(
  named: Record<string, RecordingUpstreamOptions & { config?: Record<string, unknown> }>,
  config: Record<string, unknown> = {},
): Promise<AggregateWorld> {
  const started = new Map<string, RecordingUpstream>();
  const upstreams: Record<string, unknown> = {};
  for (const [name, { config: own = {}, ...options }] of Object.entries(named)) {
    const upstream = await startRecordingUpstream(options);
    started.set(name, upstream);
    upstreams[name] = upstreamConfig(upstream.url, own);
  }
  const gate = await startTestGateway({ upstreams, ...config });
  return {
    gate,
    upstream(name) {
      const found = started.get(name);
      if (!found) throw new Error(`there is no upstream ${name}`);
      return found;
    },
    async close() {
      await gate.close();
      for (const upstream of started.values()) await upstream.close();
    },
  };
}
