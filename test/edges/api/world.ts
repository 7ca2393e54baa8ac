import { type IncomingHttpHeaders, request } from 'node:http';
import { mint } from '../../../src/authority/mint.ts';
import { startTestGateway, type TestGateway, upstreamConfig } from '../../support/gateway.ts';

/** A gateway with its management API, and keys to ask it with. */
export interface World {
  readonly gateway: TestGateway;
  /** An operator who is not confined. */
  readonly operator: Key;
  /** Mints a key; an agent key with `read:up` where nothing else is said. */
  key(request?: Record<string, unknown>): Promise<Key>;
  /** Asks the admin listener, with the operator's key where nothing else is said. */
  ask(verb: string, path: string, options?: AskOptions): Promise<Told>;
  /** Asks the data listener. */
  askData(verb: string, path: string, options?: AskOptions): Promise<Told>;
  close(): Promise<void>;
}

export interface Key {
  readonly id: string;
  readonly key: string;
}

export interface AskOptions {
  /** Null sends no Authorization at all. */
  readonly key?: string | null;
  readonly body?: unknown;
  /** Sent as it is, in place of `body`. */
  readonly text?: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
}

export interface Told {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly json: Said;
}

/** Members of answers that tests look into; which of them an answer has is what the tests find out. */
export interface Said {
  readonly id: string;
  readonly key: string;
  readonly secret: string;
  readonly accessToken: string;
  readonly expiresAt: string;
  readonly orgId: string;
  readonly reason: string;
  readonly valid: boolean;
  readonly ok: boolean;
  readonly replayed: true | undefined;
  readonly balance: string;
  readonly limits: readonly object[];
  readonly problems: readonly { readonly path: string; readonly message: string }[];
  readonly seq: number;
  readonly kind: string;
  readonly org: string;
  readonly data: readonly Said[];
  readonly nextCursor: string | null;
}

export async function startWorld(config: Record<string, unknown> = {}): Promise<World> {
  const gateway = await startTestGateway({
    upstreams: {
      up: upstreamConfig('http://127.0.0.1:9/mcp'),
      sandbox: upstreamConfig('http://127.0.0.1:9/mcp', { environment: 'test' }),
    },
    limits: { bodyBytesMax: 65_536 },
    ...config,
  });
  let count = 0;
  const key = async (terms: Record<string, unknown> = {}): Promise<Key> => {
    count += 1;
    const minted = await mint(gateway.authority, { name: `reader of wiki ${count}`, scopes: ['read:up'], ...terms }, { via: 'cli' });
    return { id: minted.record.id, key: minted.key };
  };
  const operator = await key({ kind: 'operator', scopes: ['manage'] });
  const asking =
    (base: string) =>
    (verb: string, path: string, options: AskOptions = {}): Promise<Told> =>
      tell(`${base}/api/v1${path}`, verb, { key: operator.key, ...options });
  return { gateway, operator, key, ask: asking(gateway.adminUrl), askData: asking(gateway.url), close: () => gateway.close() };
}

/** One request over a connection of its own, exactly as written: fetch would join headers and refuse bodies. */
export function tell(url: string, verb: string, { key, body, text, headers }: AskOptions): Promise<Told> {
  const sent = text ?? (body === undefined ? undefined : JSON.stringify(body));
  const { promise, resolve, reject } = Promise.withResolvers<Told>();
  const outgoing = request(url, {
    method: verb,
    agent: false,
    headers: {
      ...(key === null || key === undefined ? {} : { authorization: `Bearer ${key}` }),
      ...(sent === undefined ? {} : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(sent)) }),
      ...headers,
    },
  });
  outgoing.on('response', (incoming) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('error', reject);
    incoming.on('end', () => {
      const whole = Buffer.concat(chunks).toString('utf8');
      resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, text: whole, json: parsed(whole) as Said });
    });
  });
  outgoing.on('error', reject);
  outgoing.end(sent);
  return promise;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
