import { afterEach, expect, it } from 'vitest';
import { fillKeys, withStore } from '../../load/bulk-keys.ts';
import { digestKey } from '../../src/domain/credential.ts';
import type { Micros } from '../../src/domain/money.ts';
import { type Place, preparePlace } from '../process/served.ts';
import { post, toolCall } from '../support/post.ts';
import { startRecordingUpstream } from '../support/recording-upstream.ts';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const budget = { amount: 10_000 as Micros, per: 'total', zone: 'UTC' } as const;

async function openPlace(): Promise<Place> {
  const upstream = await startRecordingUpstream({});
  closers.push(() => upstream.close());
  const tools = [{ match: '*', scope: 'read:up', price: '0.01' }];
  // The embedded store, whatever the suite runs on: it is what is filled.
  const place = await preparePlace({
    store: './var',
    upstreams: { up: { url: upstream.url, environment: 'live', tools, pinning: { mode: 'off' } } },
  });
  closers.push(() => place.remove());
  return place;
}

it('keys that were filled in are found, have their budget, and a gateway serves them', async () => {
  const place = await openPlace();
  const keys = await fillKeys(place, { count: 1_200, known: 3, scopes: ['read:up'], budgets: [budget] });
  expect(keys).toHaveLength(3);
  await withStore(place, async ({ keyring }, config) => {
    const [pepper = ''] = config.keys.peppers;
    for (const { key, id } of keys) expect((await keyring.byDigest(digestKey(key, pepper)))?.id).toBe(id);
    let count = 0;
    for (let cursor: string | undefined; ; ) {
      const page = await keyring.list({ filter: {}, limit: 500, ...(cursor !== undefined && { cursor }) });
      count += page.keys.length;
      cursor = page.nextCursor;
      if (cursor === undefined) break;
    }
    expect(count).toBe(1_200);
  });
  const { mcpUrl } = await place.serve();
  const call = (id: number) => post(`${mcpUrl}/mcp/up`, { key: keys[2]?.key ?? '', body: toolCall('get', {}, id) });
  expect((await call(1)).json.result).toBeDefined();
  expect((await call(2)).json.error?.data.reason).toBe('BUDGET_EXHAUSTED');
});
