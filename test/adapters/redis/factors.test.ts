import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Factor } from '../../../src/ports/factors.ts';
import { start, testKey } from '../../ports/subject.ts';
import { startRedis, type TestRedis } from '../../support/redis-server.ts';
import { intakeOf, interrupted, type Life, openLife } from './life.ts';

const by = { via: 'cli' } as const;
const enrolled: Factor = {
  ...{ keyId: 'AAAAAAAA', sealedSecret: 'sealed-secret-text', confirmed: true, lastStep: 0, freshUntil: 0 },
  ...{ failures: 0, lockedUntil: 0, revision: 1 },
};
const record = { kind: 'stepup.passed' } as const;

let server: TestRedis;
let lives: Life[] = [];
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(() => server.cli('FLUSHALL'));
afterEach(async () => {
  await Promise.all(lives.map((life) => life.close()));
  lives = [];
});

const life = async (name: string, options: Partial<Parameters<typeof openLife>[1]> = {}): Promise<Life> => {
  const opened = await openLife(server.url, { name, as: 'command', ...options });
  lives.push(opened);
  return opened;
};

test('of replicas that take one code at the same moment, and so would write the same, exactly one does', async () => {
  const many = await Promise.all(['one', 'two', 'three', 'four'].map((name) => life(name)));
  const [one] = many;
  if (!one) throw new Error('no life');
  await one.keyring.insert(testKey('AAAAAAAA', { accountId: 'acme', orgId: 'acme' }), by);
  await one.factors.put({ factor: enrolled, expected: 0, record: { kind: 'stepup.enrolled' } });
  const passed = { ...enrolled, lastStep: 7, freshUntil: start + 5, revision: 2 };
  const took = await Promise.all(many.map(({ factors }) => factors.put({ factor: passed, expected: 1, record })));
  expect(took.filter(Boolean)).toHaveLength(1);
  expect(await many[3]?.factors.get('AAAAAAAA')).toEqual(passed);
  const records = await intakeOf(one.connection);
  expect(records.map(({ kind }) => kind)).toEqual(['key.minted', 'stepup.enrolled', 'stepup.passed']);
  expect(records[2]).toMatchObject({ keyId: 'AAAAAAAA', org: 'acme', account: 'acme' });
  expect(JSON.stringify(records)).not.toContain('sealed-secret-text');
});

test('a factor is not put for a key that is deleted at the same time, and does not wait for the next key of that id', async () => {
  const other = await life('other');
  await other.keyring.insert(testKey('AAAAAAAA'), by);
  const one = await life('one', {
    wrap: interrupted({ 'factor-put': () => other.keyring.remove('AAAAAAAA', { reason: 'x', at: start, by }) }),
  });
  await expect(one.factors.put({ factor: enrolled, expected: 0, record })).rejects.toThrow('There is no key AAAAAAAA.');
  await other.keyring.insert(testKey('AAAAAAAA'), by);
  expect(await one.factors.get('AAAAAAAA')).toBeUndefined();
  await one.factors.put({ factor: enrolled, expected: 0, record });
  await other.keyring.remove('AAAAAAAA', { reason: 'x', at: start, by });
  await other.keyring.insert(testKey('AAAAAAAA', { accountId: 'acme' }), by);
  expect(await one.factors.get('AAAAAAAA')).toBeUndefined();
});
