import { readFileSync } from 'node:fs';
import { type Place, preparePlace, type Served } from '../process/served.ts';
import { inSession } from '../support/eras.ts';
import { upstreamConfig } from '../support/gateway.ts';
import { post } from '../support/post.ts';
import { type RecordingUpstream, startRecordingUpstream } from '../support/recording-upstream.ts';
import { type MarkName, marks } from './corpus.ts';

/** A gateway of its own process in front of two servers, and keys of which it is known what they may do. */
export interface FuzzStand {
  readonly place: Place;
  readonly gate: Served;
  readonly upstreams: readonly RecordingUpstream[];
  readonly keys: Readonly<Record<Exclude<MarkName, 'session'>, { key: string; id: string }>>;
  /** The case with the marks that are whole replaced by what they stand for. */
  filled(bytes: Buffer): Buffer;
  /** Resident memory of the gateway's own, in bytes: without what is mapped of the store's file. */
  residentBytes(): number;
  close(): Promise<void>;
}

/** What keys of `read` may call; `trade` may call everything. */
export const readersTools: readonly string[] = ['tool_0', 'tool_1'];
export const cappedCalls = 5;
export const upstreamSecret = 'upstream-secret';

const limits = {
  ...{ headersTimeoutMs: 2_000, bodyTimeoutMs: 2_000, upstreamTimeoutMs: 3_000, holdMsMax: 6_000 },
  ...{ bodyBytesMax: '256KiB', aggregateMemberMs: 2_000, failedAuthPerMinuteMax: 1_000_000, heartbeatMs: 500 },
};

export async function startFuzzStand(): Promise<FuzzStand> {
  const upstreams = [
    await startRecordingUpstream({ sessions: true }),
    await startRecordingUpstream({ sessions: true, answer: 'sse' }),
  ] as const;
  const rules = [
    { match: [...readersTools], scope: 'read:up', price: '0.01' },
    { match: 'tool_*', scope: 'trade:up', price: '0.02' },
  ];
  const passthrough = [
    { path: '/admin/**', methods: ['GET', 'POST'], scope: 'admin:up' },
    { path: '/live/**', scope: 'read:up', websocket: true },
    { path: '/paid/*', methods: ['GET', 'PUT', 'DELETE'], scope: 'trade:up', price: '0.25' },
    { path: '/assets/**', scope: 'read:up' },
  ];
  const place = await preparePlace({
    listen: { mcp: '127.0.0.1:0', admin: '127.0.0.1:0', origins: ['https://console.example'] },
    upstreams: {
      up: upstreamConfig(upstreams[0].url, { tools: rules, passthrough }),
      ev: upstreamConfig(upstreams[1].url, { tools: rules }),
    },
    limits,
  });
  const budgets = [{ amount: '100000', per: 'total' }];
  const keys = {
    reader: await place.mint({ scopes: ['read:up'], budgets }),
    trader: await place.mint({ scopes: ['trade:up'], budgets }),
    capped: await place.mint({ scopes: ['trade:up'], caps: [{ calls: cappedCalls, per: 'total' }] }),
    revoked: await place.mint({ scopes: ['trade:up'] }),
  };
  const revoked = await place.cli('keys', 'revoke', keys.revoked.id);
  if (revoked.code !== 0) throw new Error(`not revoked: ${revoked.stdout}${revoked.stderr}`);
  const gate = await place.serve();
  const session = await beginSession(gate.mcpUrl, keys.reader.key);
  const values: readonly (readonly [string, string])[] = [
    ...Object.entries(keys).map(([name, { key }]) => [marks[name as MarkName], key] as const),
    [marks.session, session],
  ];
  return {
    ...{ place, gate, upstreams, keys },
    filled(bytes) {
      let text = bytes.toString('latin1');
      for (const [mark, value] of values) text = text.replaceAll(mark, value);
      return Buffer.from(text, 'latin1');
    },
    residentBytes: () => Number(/^RssAnon:\s+(\d+) kB/m.exec(readFileSync(`/proc/${gate.pid}/status`, 'utf8'))?.[1]) * 1024,
    async close() {
      await place.remove();
      for (const upstream of upstreams) await upstream.close();
    },
  };
}

async function beginSession(url: string, key: string): Promise<string> {
  const { body, headers } = inSession('initialize', {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'f', version: '1' },
  });
  const begun = await post(`${url}/mcp/up`, { key, body, headers });
  const session = begun.headers.get('mcp-session-id');
  if (session === null) throw new Error(`no session: ${begun.status} ${begun.text}`);
  return session;
}
