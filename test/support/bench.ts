import { expect, vi } from 'vitest';
import { denialTable, type Reason } from '../../src/domain/denial.ts';
import type { JournalRecord } from '../../src/domain/record.ts';
import type { UsageLine } from '../../src/ports/ledger.ts';
import { readJournal, startTestGateway, type TestGateway, upstreamConfig } from './gateway.ts';
import { type Posted, post, toolCall } from './post.ts';
import { type RecordingUpstream, type RecordingUpstreamOptions, startRecordingUpstream } from './recording-upstream.ts';

/** Any HTTP answer, however it was asked for. */
export interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

export interface ExpectedRefusal {
  readonly reason: Reason;
  /** The id the answer must carry; null where the request has none that could be read. */
  readonly id: string | number | null;
  /** Where it is not the table's. */
  readonly status?: number;
  /** True where the caller is not known yet: the refusal is counted and has no record of its own. */
  readonly counted?: boolean;
  /** Whose limits must not move, where it is not the bench's own key. */
  readonly keyId?: string;
}

export type Denied = Record<string, unknown> & { reason: string; requestId: string };

/** One gateway in front of one recording upstream, with one key that may do everything there. */
export interface Bench {
  readonly gate: TestGateway;
  readonly upstream: RecordingUpstream;
  readonly url: string;
  readonly key: string;
  readonly keyId: string;
  usage(keyId?: string): Promise<UsageLine[]>;
  /** Sends, and checks everything that holds for each refusal; returns the refusal's facts. */
  refused(expected: ExpectedRefusal, send: () => Promise<Answered>): Promise<Denied>;
  /** The next valid call succeeds, and everything that was admitted is settled. */
  alive(): Promise<void>;
  /** Resolves once every admitted request has its outcome, and nothing is held any more. */
  settled(): Promise<JournalRecord[]>;
  /** Journal records of one request. */
  recordsOf(requestId: string | null): Promise<JournalRecord[]>;
  close(): Promise<void>;
}

export interface BenchOptions {
  readonly upstream?: RecordingUpstreamOptions;
  /** Members of the upstream `up`. */
  readonly up?: Record<string, unknown>;
  /** More names for the same server: what differs from `up`. */
  readonly also?: Record<string, Record<string, unknown>>;
  /** Top-level members of the configuration; `upstreams` are added to `up`. */
  readonly config?: Record<string, unknown> & { upstreams?: Record<string, unknown> };
  readonly mint?: Record<string, unknown>;
}

export async function startBench({ upstream: stub = {}, up = {}, also = {}, config = {}, mint = {} }: BenchOptions = {}): Promise<Bench> {
  const upstream = await startRecordingUpstream(stub);
  const named = Object.entries({ up: {}, ...also }).map(([name, more]) => [name, upstreamConfig(upstream.url, { ...up, ...more })]);
  const gate = await startTestGateway({ ...config, upstreams: { ...Object.fromEntries(named), ...config.upstreams } });
  const { key, id: keyId } = await gate.mint({ scopes: ['manage'], budgets: [{ amount: '1000', per: 'total' }], ...mint });
  const url = `${gate.url}/mcp/up`;
  const { authority } = gate;

  const usage = async (of = keyId): Promise<UsageLine[]> => {
    const record = await authority.keyring.get(of);
    if (!record) throw new Error(`there is no key ${of}`);
    const ancestors = (await Promise.all(record.parentIds.map((parent) => authority.keyring.get(parent)))).filter(
      (each) => each !== undefined,
    );
    return await authority.ledger.usage({ key: record, ancestors, now: Date.now() });
  };
  const recordsSince = async (position: number) =>
    (await readJournal(authority, undefined, position)).filter(({ kind }) => kind.startsWith('call.') || kind === 'refusals.counted');
  const flush = () => gate.gateway.composed.tally.flush();

  const bench: Bench = {
    gate,
    upstream,
    url,
    key,
    keyId,
    usage,
    async refused(expected, send) {
      await flush();
      const before = { requests: upstream.requests.length, position: await authority.journal.head(), usage: await usage(expected.keyId) };
      const answer = await send();
      const denied = checkAnswer(answer, expected);
      expect(upstream.requests.length).toBe(before.requests);
      expect(await usage(expected.keyId)).toEqual(before.usage);
      await flush();
      // The gateway's own round may be writing the count just now.
      if (expected.counted) await vi.waitFor(async () => expect(await recordsSince(before.position)).not.toEqual([]));
      const records = await recordsSince(before.position);
      if (expected.counted) {
        expect(records.map(({ kind, reason, count }) => ({ kind, reason, count }))).toEqual([
          { kind: 'refusals.counted', reason: expected.reason, count: 1 },
        ]);
      } else {
        expect(records.map(({ kind, reason, requestId }) => ({ kind, reason, requestId }))).toEqual([
          { kind: 'call.refused', reason: expected.reason, requestId: denied.requestId },
        ]);
      }
      return denied;
    },
    async alive() {
      upstream.script(undefined);
      const answer = await post(url, { key, body: toolCall('echo', {}, 'alive') });
      expect({ status: answer.status, id: answer.json.id, result: typeof answer.json.result }).toEqual({
        status: 200,
        id: 'alive',
        result: 'object',
      });
      await bench.settled();
    },
    async settled() {
      await gate.journalled('call.outcome', (await gate.journal('call.intent')).length);
      // Requests whose clients have just gone may still be on their way in, and become intents after that count.
      const all = async () => {
        const [intents, outcomes, limits] = [await gate.journal('call.intent'), await gate.journal('call.outcome'), await usage()];
        expect({ outcomes: outcomes.length, held: limits.map(({ held }) => held) }).toEqual({
          outcomes: intents.length,
          held: limits.map(() => 0),
        });
        return outcomes;
      };
      return vi.waitFor(all, { timeout: 20_000, interval: 50 });
    },
    recordsOf: async (requestId) => (await gate.journal()).filter((record) => record.requestId === requestId),
    async close() {
      await gate.close();
      await upstream.close();
    },
  };
  return bench;
}

/** What holds for each refusal, whatever its reason (the closed table, RFC 6750 section 3, RFC 9110 section 10.2.3). */
function checkAnswer({ status, headers, text }: Answered, expected: ExpectedRefusal): Denied {
  const json = JSON.parse(text) as Posted;
  const denied = (json.error?.data ?? (json.result?._meta as Record<string, unknown>)?.['keygate/denial']) as Denied;
  const form = denialTable[expected.reason];
  expect({ status, reason: denied.reason, id: json.id }).toEqual({
    status: expected.status ?? form.status,
    reason: expected.reason,
    id: expected.id,
  });
  if (json.error) expect(json.error.code).toBe(form.code);
  expect(headers.get('content-type')).toBe('application/json');
  expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  expect(denied.requestId).toBe(headers.get('x-request-id'));
  const challenge = headers.get('www-authenticate');
  if (status === 401 || status === 403) {
    expect(challenge).toMatch(
      /^Bearer realm="keygate".* resource_metadata="http:\/\/127\.0\.0\.1:\d+\/\.well-known\/oauth-protected-resource\/mcp/,
    );
  } else expect(challenge).toBeNull();
  if (status === 429 || status === 503) expect(Number(headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
  else expect(headers.get('retry-after')).toBeNull();
  return denied;
}

/** Every test's bench is closed after it, also where the test failed. */
export function createClosers(): { keep<T extends { close(): Promise<void> }>(opened: T): T; closeAll(): Promise<void> } {
  const open: { close(): Promise<void> }[] = [];
  return {
    keep(opened) {
      open.push(opened);
      return opened;
    },
    async closeAll() {
      for (const each of open.splice(0).reverse()) await each.close();
    },
  };
}
