import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createS3Archive } from '../../../src/adapters/archive/s3.ts';
import { type ObjectStore, startObjectStore } from '../../support/object-store.ts';
import { archiveContract } from './archive-contract.ts';

const credentials = () => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIAFAKE');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'fake-secret-access-key');
};
const placeOf = (store: ObjectStore) =>
  ({ bucket: 'audit', prefix: 'kg/one/', region: 'eu-central-1', endpoint: store.url, pathStyle: true }) as const;

for (const pageKeys of [1000, 2]) {
  archiveContract(`S3, lists of ${pageKeys}`, async () => {
    credentials();
    const made = await startObjectStore({ bucket: 'audit', pageKeys });
    const open = () => createS3Archive({ address: placeOf(made) });
    return { archive: open(), beside: open(), close: () => made.close() };
  });
}

let store: ObjectStore;
beforeEach(async () => {
  credentials();
  store = await startObjectStore({ bucket: 'audit' });
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await store.close();
});
const segment = { series: 'segments', number: 12_345 } as const;

test('objects stand below the prefix, and the newest is found again with one request', async () => {
  const archive = createS3Archive({ address: placeOf(store) });
  await archive.put(segment, 'text');
  expect([...store.objects.keys()]).toEqual(['kg/one/fence', 'kg/one/segments/00000001/000000012345.jsonl']);
  expect(archive.describe()).toBe('s3://audit/kg/one/');
  await archive.newest('segments');
  const before = store.asked.length;
  expect(await archive.newest('segments')).toBe(12_345);
  expect(store.asked.slice(before)).toEqual(['LIST kg/one/segments/']);
});

test('a store that ignores conditions is refused before anything is kept in it', async () => {
  await store.close();
  store = await startObjectStore({ bucket: 'audit', conditional: false });
  const archive = createS3Archive({ address: placeOf(store) });
  for (let tries = 0; tries < 2; tries += 1) await expect(archive.put(segment, 'text')).rejects.toThrow('ignores If-None-Match');
  expect([...store.objects.keys()]).toEqual(['kg/one/fence']);
});

test('an answer that was lost is asked for again, and then the number is taken', async () => {
  const archive = createS3Archive({ address: placeOf(store) });
  await archive.put({ ...segment, number: 1 }, 'first');
  store.fail('PUT', { status: 500, code: 'InternalError', done: true });
  expect(await archive.put(segment, 'text')).toBe(false);
  expect(await archive.get(segment)).toBe('text');
});

test('a conflict of two writers is asked about again', async () => {
  const archive = createS3Archive({ address: placeOf(store) });
  await archive.put({ ...segment, number: 1 }, 'first');
  for (let n = 0; n < 3; n += 1) store.fail('PUT', { status: 409, code: 'ConditionalRequestConflict' });
  expect(await archive.put(segment, 'text')).toBe(true);
  for (let n = 0; n < 4; n += 1) store.fail('PUT', { status: 409, code: 'ConditionalRequestConflict' });
  await expect(archive.put({ ...segment, number: 2 }, 'text')).rejects.toThrow('cannot be written (ConditionalRequestConflict)');
});

test('what is refused is said in words, without secrets and without the message of the store', async () => {
  const archive = createS3Archive({ address: placeOf(store) });
  store.fail('GET', { status: 403, code: 'AccessDenied' });
  await expect(archive.get(segment)).rejects.toThrow(/^s3:\/\/audit\/kg\/one\/ cannot be read \(AccessDenied\)$/);
  store.fail('LIST', { status: 403, code: 'AccessDenied' });
  await expect(archive.newest('segments')).rejects.toThrow(/^s3:\/\/audit\/kg\/one\/ cannot be listed \(AccessDenied\)$/);
  const other = createS3Archive({ address: { ...placeOf(store), bucket: 'absent' } });
  await expect(other.get(segment)).rejects.toThrow('s3://absent/kg/one/ cannot be read (NoSuchBucket)');
});

test('a store that nobody answers for, no region, no SDK', async () => {
  await store.close();
  await expect(createS3Archive({ address: placeOf(store) }).newest('segments')).rejects.toThrow('cannot be listed (ECONNREFUSED)');
  store = await startObjectStore({ bucket: 'audit' });
  vi.stubEnv('AWS_CONFIG_FILE', '/nowhere');
  vi.stubEnv('AWS_REGION', undefined);
  const { region: _, ...rest } = placeOf(store);
  await expect(createS3Archive({ address: rest }).newest('segments')).rejects.toThrow('no region is set');
  const load = () => import(`${'@aws-sdk'}/not-installed-here`);
  await expect(createS3Archive({ address: placeOf(store), load }).newest('segments')).rejects.toThrow('npm install @aws-sdk/client-s3');
  expect(store.asked).toEqual([]);
});
