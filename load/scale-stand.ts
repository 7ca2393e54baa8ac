import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createAccount, creditAccount } from '../src/authority/accounts.ts';
import { mint } from '../src/authority/mint.ts';
import { formatMicros } from '../src/domain/money.ts';
import { type Place, preparePlace, type Served } from '../test/process/served.ts';
import { type StartedProcess, startProcess } from '../test/support/process.ts';
import { startRedis, type TestRedis } from '../test/support/redis-server.ts';

export const priceMicros = 100;
/** Of the keys of the many accounts one each; as many keys again draw on one account. */
export const keysEach = 64;
/** Rules of one upstream: the same tool with and without leases. */
export const lease = { calls: 200, ms: 2_000 } as const;

/** One Redis with an append-only file, one upstream, one configuration, keys with a budget each; gateways come one by one. */
export interface Stand {
  readonly redis: TestRedis;
  readonly stub: { readonly url: string; readonly pid: number };
  readonly place: Place;
  /** Ids and texts of keys: of many accounts, and of one. */
  readonly many: readonly MintedKey[];
  readonly one: readonly MintedKey[];
  readonly gateways: readonly Served[];
  addGateway(): Promise<void>;
  /** Drains every gateway, so that nothing waits. */
  drain(): Promise<void>;
  /** How often the upstream was asked. */
  seen(): Promise<number>;
  close(): Promise<void>;
}

interface MintedKey {
  readonly id: string;
  readonly key: string;
}

export async function openStand(): Promise<Stand> {
  const closers: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (const each of closers.splice(0).reverse()) await each();
  };
  try {
    // Rewrites of the file would fall into one point and not into the next.
    const redis = await startRedis({ appendonly: 'everysec', args: ['--auto-aof-rewrite-percentage', '0'] });
    closers.push(() => redis.stop());
    const stub = await startStub();
    closers.push(async () => {
      stub.kill('SIGKILL');
      await stub.exited;
    });
    const terms = { scope: 'read:up', price: formatMicros(priceMicros) };
    const tools = [
      { match: 'leased', ...terms, lease },
      { match: '*', ...terms },
    ];
    const place = await preparePlace({
      store: redis.url,
      journal: { archive: './archive' },
      upstreams: { up: { url: `${stub.url}/gate`, environment: 'live', tools } },
    });
    closers.push(() => place.remove());
    const { many, one } = await mintKeys(place);
    const gateways: Served[] = [];
    return {
      ...{ redis, stub, place, many, one, gateways, close },
      async addGateway() {
        gateways.push(await place.serve({ env: { KEYGATE_LOG: 'info' } }));
      },
      async drain() {
        for (const gateway of gateways) gateway.kill();
        await Promise.all(gateways.map(({ exited }) => exited));
      },
      seen: async () => ((await (await fetch(stub.url)).json()) as { '/gate'?: number })['/gate'] ?? 0,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function startStub(): Promise<StartedProcess & { url: string }> {
  const program = fileURLToPath(new URL('stub.ts', import.meta.url));
  const child = await startProcess(process.execPath, [program], { ready: /listening on \d+/ });
  const [, port] = await child.printed(/listening on (\d+)/);
  return { ...child, url: `http://127.0.0.1:${port}` };
}

function mintKeys(place: Place): Promise<{ many: MintedKey[]; one: MintedKey[] }> {
  const by = { via: 'cli' } as const;
  return place.open(async (authority) => {
    const fund = async (accountId: string) => {
      await createAccount(authority, accountId, by);
      await creditAccount(authority, { accountId, amount: '1000000', reference: 'first', by });
    };
    const mintFor = async (accountId: string): Promise<MintedKey> => {
      const request = { name: 'key of a caller', accountId, scopes: ['read:up'], budgets: [{ amount: '100000', per: 'total' }] };
      const { key, record } = await mint(authority, request, by);
      return { key, id: record.id };
    };
    const many: MintedKey[] = [];
    const one: MintedKey[] = [];
    await fund('only');
    for (let nth = 0; nth < keysEach; nth += 1) {
      await fund(`many-${nth}`);
      many.push(await mintFor(`many-${nth}`));
      one.push(await mintFor('only'));
    }
    return { many, one };
  });
}

/** Of a stand, where the sealed journal lies. */
export function archiveFolder(stand: Stand): string {
  return join(stand.place.folder, 'archive');
}
