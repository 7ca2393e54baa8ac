import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createAwsSecrets } from '../../../src/adapters/secrets/aws.ts';
import { type SecretStore, startAwsStore } from '../../support/secret-stores.ts';

let store: SecretStore;

beforeEach(async () => {
  store = await startAwsStore({
    'prod/wiki': 'plain-secret',
    'prod/bytes': { SecretBinary: Buffer.from('from bytes').toString('base64') },
    'prod/noise': { SecretBinary: Buffer.from([0xff, 0xfe]).toString('base64') },
  });
  vi.stubEnv('AWS_ENDPOINT_URL', store.url);
  vi.stubEnv('AWS_REGION', 'eu-central-1');
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIAFAKE');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'fake-secret-access-key');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await store.close();
});

const read = (name: string, secrets = createAwsSecrets()) => secrets.read(name, { signal: AbortSignal.timeout(5_000) });

test('a secret is its SecretString, or its SecretBinary as UTF-8', async () => {
  expect(await read('prod/wiki')).toEqual({ value: 'plain-secret' });
  expect(await read('prod/bytes')).toEqual({ value: 'from bytes' });
  expect(await read('prod/noise')).toEqual({ message: 'is not UTF-8 text' });
  expect(store.asked.map(({ name }) => name)).toEqual(['prod/wiki', 'prod/bytes', 'prod/noise']);
});

test('what AWS refuses is said in words, without its own text', async () => {
  expect(await read('nowhere')).toEqual({ message: 'does not exist in this account and region' });
  expect(await read('denied')).toEqual({ message: 'may not be read with these AWS credentials' });
});

test('an endpoint that nobody answers is told apart', async () => {
  await store.close();
  const answer = await read('prod/wiki');
  store = await startAwsStore({});
  expect(answer).toEqual({ message: 'cannot be fetched: AWS is not reachable (ECONNREFUSED)' });
});

test('without a region it says what to set', async () => {
  vi.stubEnv('AWS_REGION', undefined);
  vi.stubEnv('AWS_CONFIG_FILE', '/nowhere');
  expect(await read('prod/wiki')).toEqual({ message: 'cannot be looked for: no AWS region is set', hint: 'set AWS_REGION' });
});

test('where the SDK is not installed, the command that installs it', async () => {
  const load = () => import(`${'@aws-sdk'}/not-installed-here`);
  expect(await read('prod/wiki', createAwsSecrets({ load }))).toEqual({
    message: 'needs the package @aws-sdk/client-secrets-manager, which is not installed',
    hint: 'npm install @aws-sdk/client-secrets-manager',
  });
  expect(store.asked).toEqual([]);
});

test('the SDK is not loaded before a secret is asked for', () => {
  const load = vi.fn(async () => {
    throw new Error('loaded');
  });
  createAwsSecrets({ load });
  expect(load).not.toHaveBeenCalled();
});
