import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { elsewhere } from '../../../src/adapters/redis/layout.ts';
import { digestOf, minute, start, testKey } from '../../ports/subject.ts';
import { startRedisCluster, type TestCluster } from '../../support/redis-cluster.ts';
import { startRedis, type TestRedis } from '../../support/redis-server.ts';
import { dyingAt, intakeOf, interrupted, type Life, openLife, resending } from './life.ts';

const by = { via: 'cli' } as const;
const revocation = { reason: 'leaked', at: start, by };
const changed = { kind: 'key.changed' } as const;

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

const kindsOf = async ({ connection }: Life): Promise<string[]> => (await intakeOf(connection)).map(({ kind }) => kind).sort();
const idsOf = async ({ keyring }: Life): Promise<string[]> => (await keyring.list({ filter: {}, limit: 1000 })).keys.map(({ id }) => id);

describe('two at once', () => {
  test('of those who insert one id under several accounts, and so in several partitions, exactly one does', async () => {
    const two = [await life('one'), await life('two')];
    for (let round = 0; round < 20; round += 1) {
      const id = `KEY${String(round).padStart(5, '0')}`;
      const inserts = ['red', 'green', 'blue', 'grey'].map((accountId, at) =>
        two[at % 2]?.keyring.insert(testKey(id, { accountId, digests: [{ digest: digestOf(`${id} ${accountId}`), pepperId: 'p1' }] }), by),
      );
      const results = await Promise.allSettled(inserts);
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    }
    const [one] = two;
    if (!one) throw new Error('no life');
    expect(await idsOf(one)).toHaveLength(20);
    expect(await kindsOf(one)).toHaveLength(20);
  });

  test('of those who insert one secret under several ids, exactly one does, and the secret is its own', async () => {
    const two = [await life('one'), await life('two')];
    const digests = [{ digest: digestOf('the one secret'), pepperId: 'p1' }];
    const results = await Promise.allSettled(
      ['AAAAAAAA', 'BBBBBBBB', 'CCCCCCCC', 'DDDDDDDD'].map((id, at) => two[at % 2]?.keyring.insert(testKey(id, { digests }), by)),
    );
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const [one] = two;
    if (!one) throw new Error('no life');
    const [winner] = await idsOf(one);
    expect((await one.keyring.byDigest(digestOf('the one secret')))?.id).toBe(winner);
  });

  test('of those who replace one revision, exactly one does; a revocation among them is never lost', async () => {
    const two = [await life('one'), await life('two')];
    const [one] = two;
    if (!one) throw new Error('no life');
    const key = testKey('AAAAAAAA');
    await one.keyring.insert(key, by);
    const replaces = Array.from({ length: 12 }, (_, n) =>
      two[n % 2]?.keyring.replace({ record: { ...key, name: `n${n}`, revision: 2 }, expected: 1, fact: changed, by }),
    );
    const revoked = two[1]?.keyring.revoke('AAAAAAAA', revocation);
    const won = (await Promise.all(replaces)).filter(Boolean).length;
    expect(await revoked).toMatchObject({ revokedAt: start, revision: won + 2 });
    expect(won).toBeLessThanOrEqual(1);
    expect(await one.keyring.get('AAAAAAAA')).toEqual(await revoked);
    expect(await kindsOf(one)).toEqual([...(won ? ['key.changed'] : []), 'key.minted', 'key.revoked']);
  });

  test('I7: a parent that is revoked, shortened or deleted while a child is minted is noticed', async () => {
    const parent = testKey('PARENT00', { expiresAt: start + 10 * minute });
    const child = testKey('CHILD000', { parentIds: ['PARENT00'], expiresAt: start + 10 * minute });
    const other = await life('other');
    const cases: [() => Promise<unknown>, RegExp][] = [
      [() => other.keyring.revoke('PARENT00', revocation), /revoked and can have no children/],
      [
        () => other.keyring.replace({ record: { ...parent, expiresAt: start + minute, revision: 2 }, expected: 1, fact: changed, by }),
        /no later than its parent/,
      ],
      [() => other.keyring.remove('PARENT00', revocation), /does not exist/],
    ];
    for (const [at, [interruption, message]] of cases.entries()) {
      await server.cli('FLUSHALL');
      await other.keyring.insert(parent, by);
      const minter = await life(`minter ${at}`, { wrap: interrupted({ 'key-write': interruption }) });
      await expect(minter.keyring.insert(child, by)).rejects.toThrow(message);
      expect(await other.keyring.get('CHILD000')).toBeUndefined();
      expect(await idsOf(other)).not.toContain('CHILD000');
    }
    // A change that does no harm is no reason to refuse.
    await server.cli('FLUSHALL');
    await other.keyring.insert(parent, by);
    const rename = () => other.keyring.replace({ record: { ...parent, name: 'renamed', revision: 2 }, expected: 1, fact: changed, by });
    await (await life('late minter', { wrap: interrupted({ 'key-write': rename }) })).keyring.insert(child, by);
    expect(await other.keyring.get('CHILD000')).toEqual(child);
  });

  test('I7: a parent that is shortened while its child is lengthened is noticed', async () => {
    const parent = testKey('PARENT00', { expiresAt: start + 10 * minute });
    const child = testKey('CHILD000', { parentIds: ['PARENT00'], expiresAt: start + minute });
    const other = await life('other');
    await other.keyring.insert(parent, by);
    await other.keyring.insert(child, by);
    const shorten = () =>
      other.keyring.replace({ record: { ...parent, expiresAt: start + 2 * minute, revision: 2 }, expected: 1, fact: changed, by });
    const late = await life('late', { wrap: interrupted({ 'key-write': shorten }) });
    const record = { ...child, expiresAt: start + 10 * minute, revision: 2 };
    await expect(late.keyring.replace({ record, expected: 1, fact: changed, by })).rejects.toThrow('no later');
    expect(await other.keyring.get('CHILD000')).toEqual(child);
  });
});

test('every script that is sent twice acts once and answers as if it had been sent once', async () => {
  const one = await life('one', { wrap: resending });
  const key = testKey('AAAAAAAA');
  await one.keyring.insert(key, by);
  await expect(one.keyring.insert({ ...key, digests: [] }, by)).rejects.toThrow('exists already');
  const factor = {
    keyId: 'AAAAAAAA',
    sealedSecret: 'x',
    confirmed: false,
    lastStep: 0,
    freshUntil: 0,
    failures: 0,
    lockedUntil: 0,
    revision: 1,
  };
  expect(await one.factors.put({ factor, expected: 0, record: { kind: 'stepup.enrolled' } })).toBe(true);
  expect(await one.factors.put({ factor, expected: 0, record: { kind: 'stepup.enrolled' } })).toBe(false);
  expect(await one.keyring.replace({ record: { ...key, name: 'new', revision: 2 }, expected: 1, fact: changed, by })).toBe(true);
  expect(await one.keyring.revoke('AAAAAAAA', revocation)).toMatchObject({ revision: 3, name: 'new' });
  expect(await one.keyring.remove('AAAAAAAA', revocation)).toMatchObject({ revision: 3 });
  expect(await one.keyring.remove('AAAAAAAA', revocation)).toBeUndefined();
  expect(await kindsOf(one)).toEqual(['key.changed', 'key.deleted', 'key.minted', 'key.revoked', 'stepup.enrolled']);
});

describe('a process that dies', () => {
  test('before it adds a key leaves only pointers to nothing, which are in nobody’s way', async () => {
    const dying = await life('dying', { wrap: dyingAt((script) => script === 'key-write') });
    const other = await life('other');
    const key = testKey('AAAAAAAA');
    await expect(dying.keyring.insert(key, by)).rejects.toThrow('died');
    expect(await other.connection.client.get(elsewhere.id('AAAAAAAA'))).not.toBeNull();
    expect(await other.keyring.get('AAAAAAAA')).toBeUndefined();
    expect(await other.keyring.byDigest(digestOf('AAAAAAAA'))).toBeUndefined();
    expect(await idsOf(other)).toEqual([]);
    await other.keyring.insert(key, by);
    expect(await other.keyring.byDigest(digestOf('AAAAAAAA'))).toEqual(key);
  });

  test('after it deleted a key, or dropped a secret, leaves pointers that find nothing', async () => {
    const other = await life('other');
    const dying = await life('dying', {
      wrap: (connection) => ({
        ...connection,
        client: Object.assign(Object.create(connection.client), { del: () => Promise.reject(new Error('died')) }),
      }),
    });
    const key = testKey('AAAAAAAA');
    await other.keyring.insert(key, by);
    const rotated = { ...key, digests: [{ digest: digestOf('new'), pepperId: 'p1' }], revision: 2 };
    expect(await dying.keyring.replace({ record: rotated, expected: 1, fact: { kind: 'key.rotated' }, by })).toBe(true);
    expect(await other.connection.client.get(elsewhere.digest(digestOf('AAAAAAAA')))).not.toBeNull();
    expect(await other.keyring.byDigest(digestOf('AAAAAAAA'))).toBeUndefined();
    expect(await other.keyring.byDigest(digestOf('new'))).toEqual(rotated);
    expect(await dying.keyring.remove('AAAAAAAA', revocation)).toEqual(rotated);
    expect(await other.keyring.get('AAAAAAAA')).toBeUndefined();
    expect(await other.keyring.byDigest(digestOf('new'))).toBeUndefined();
    expect(await idsOf(other)).toEqual([]);
  });
});

describe('a server that was frozen', () => {
  /** Freezes the server when a change of a key is sent, for so long, with a deadline of 300 ms after its announcement. */
  const freezing = (frozenMs: () => number): NonNullable<Parameters<typeof openLife>[1]['wrap']> => {
    return (connection) => ({
      ...connection,
      run: (script, keys, args) => {
        if (script.name !== 'key-write' && script.name !== 'key-remove') return connection.run(script, keys, args);
        const ms = frozenMs();
        server.pause();
        setTimeout(() => server.resume(), ms);
        return connection.run(script, keys, args.with(3, String(Number(args[3]) - (ms < 100 ? 0 : 4700))));
      },
    });
  };

  test('does not make a change after its deadline, and makes one before it', async () => {
    let frozenMs = 400;
    const one = await life('one', { wrap: freezing(() => frozenMs) });
    const other = await life('other');
    const key = testKey('AAAAAAAA');
    await other.keyring.insert(key, by);
    for (const change of [
      () => one.keyring.revoke('AAAAAAAA', revocation),
      () => one.keyring.replace({ record: { ...key, revision: 2 }, expected: 1, fact: changed, by }),
      () => one.keyring.remove('AAAAAAAA', revocation),
    ]) {
      await expect(change()).rejects.toThrow('too late');
      expect(await other.keyring.get('AAAAAAAA')).toEqual(key);
    }
    expect(await kindsOf(other)).toEqual(['key.minted']);
    frozenMs = 20;
    expect(await one.keyring.revoke('AAAAAAAA', revocation)).toMatchObject({ revokedAt: start });
  });

  test('may have made a change that nobody was told of: the key is read anew each time until that cannot be', async () => {
    const listener = await life('listener', { as: 'listener' });
    await listener.keyring.insert(testKey('AAAAAAAA'), by);
    const one = await life('one', { as: 'listener', wrap: freezing(() => 600), commandTimeoutMs: 300 });
    await expect(one.keyring.revoke('AAAAAAAA', revocation)).rejects.toThrow();
    for (const { keyring } of [one, listener]) {
      await expect.poll(() => keyring.changedAt(['BBBBBBBB']), { timeout: 5000, interval: 5 }).toBeLessThan(Number.POSITIVE_INFINITY);
      expect(keyring.changedAt(['AAAAAAAA'])).toBe(Number.POSITIVE_INFINITY);
    }
  });
});

test('a key that was deleted and minted anew elsewhere is found by those who knew where it was', async () => {
  const [one, two] = [await life('one'), await life('two')];
  const key = testKey('AAAAAAAA', { accountId: 'red' });
  await one.keyring.insert(key, by);
  expect(await two.keyring.byDigest(digestOf('AAAAAAAA'))).toEqual(key);
  await one.keyring.remove('AAAAAAAA', revocation);
  expect(await two.keyring.get('AAAAAAAA')).toBeUndefined();
  const anew = testKey('AAAAAAAA', { accountId: 'blue', name: 'anew' });
  await one.keyring.insert(anew, by);
  expect(await two.keyring.get('AAAAAAAA')).toEqual(anew);
  expect(await two.keyring.byDigest(digestOf('AAAAAAAA'))).toEqual(anew);
  await one.keyring.remove('AAAAAAAA', revocation);
  const heir = testKey('BBBBBBBB', { digests: anew.digests });
  await one.keyring.insert(heir, by);
  expect(await two.keyring.byDigest(digestOf('AAAAAAAA'))).toEqual(heir);
});

test('ids may look like anything: none reaches another key, another partition or another script argument', async () => {
  const one = await life('one');
  const ids = [
    '',
    ' ',
    'a b',
    '{p1}',
    '}{',
    '__proto__',
    'constructor',
    '*',
    '(',
    '[',
    '+',
    '-',
    '\u0000',
    'ü',
    'x'.repeat(10_000),
    '\ufffd',
  ];
  for (const [at, id] of ids.entries()) {
    await one.keyring.insert(testKey(id, { digests: [{ digest: digestOf(`hostile ${at}`), pepperId: 'p1' }] }), by);
  }
  for (const [at, id] of ids.entries()) {
    expect((await one.keyring.get(id))?.id).toBe(id);
    expect((await one.keyring.byDigest(digestOf(`hostile ${at}`)))?.id).toBe(id);
    expect((await one.keyring.revoke(id, revocation))?.id).toBe(id);
  }
  expect((await idsOf(one)).sort()).toEqual([...ids].sort());
  // Sent as UTF-8 this is the same as the last of them.
  expect(await one.keyring.get('\ud800')).toBeUndefined();
  for (const id of ids) expect((await one.keyring.remove(id, revocation))?.id).toBe(id);
  expect(await idsOf(one)).toEqual([]);
});

test('a list goes through any number of keys, past pointers to nothing', async () => {
  const one = await life('one');
  const ids = Array.from({ length: 450 }, (_, n) => `KEY${String(n).padStart(5, '0')}`);
  await Promise.all(ids.map((id) => one.keyring.insert(testKey(id, { orgId: id.endsWith('7') ? 'seven' : 'other' }), by)));
  await one.connection.client.zadd(elsewhere.index, 0, 'KEY00100x', 0, 'KEY00300x');
  const seen: string[] = [];
  for (let cursor: string | undefined, first = true; first || cursor !== undefined; first = false) {
    const page = await one.keyring.list({ filter: {}, limit: 199, ...(cursor !== undefined && { cursor }) });
    seen.push(...page.keys.map(({ id }) => id));
    cursor = page.nextCursor;
  }
  expect(seen).toEqual(ids);
  const sevens = await one.keyring.list({ filter: { orgId: 'seven' }, limit: 45 });
  expect(sevens.keys).toHaveLength(45);
  expect(sevens.nextCursor).toBeUndefined();
});

test('facts that could not be chained later are refused before anything is written', async () => {
  const one = await life('one');
  const key = testKey('AAAAAAAA');
  await one.keyring.insert(key, by);
  const next = { record: { ...key, revision: 2 }, expected: 1, by } as const;
  await expect(one.keyring.replace({ ...next, fact: { kind: 'key.changed', seq: 7 } })).rejects.toThrow('seq');
  await expect(one.keyring.revoke('AAAAAAAA', { ...revocation, at: Number.NaN })).rejects.toThrow('time');
  await expect(one.keyring.remove('AAAAAAAA', { ...revocation, at: 2 ** 53 - 1 })).rejects.toThrow('time');
  expect(await one.keyring.get('AAAAAAAA')).toEqual(key);
  expect(await kindsOf(one)).toEqual(['key.minted']);
});

describe('on a cluster', () => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await startRedisCluster({ nodes: 3 });
  });
  afterAll(() => cluster.stop());

  test('keys of every partition are added, changed, listed and revoked, and every replica acknowledges', async () => {
    const opened = await Promise.all(['one', 'two'].map((name) => openLife(cluster.url, { name, as: 'gateway' })));
    lives.push(...opened);
    const [one, two] = opened;
    if (!one || !two) throw new Error('no life');
    const ids = Array.from({ length: 60 }, (_, n) => `KEY${String(n).padStart(5, '0')}`);
    await Promise.all(ids.map((id) => one.keyring.insert(testKey(id), by)));
    await one.keyring.insert(testKey('CHILD000', { parentIds: ['KEY00000'] }), by);
    expect((await two.keyring.list({ filter: {}, limit: 100 })).keys).toHaveLength(61);
    expect((await two.keyring.byDigest(digestOf('KEY00042')))?.id).toBe('KEY00042');
    await Promise.all(ids.map((id) => two.keyring.revoke(id, revocation)));
    expect(await two.keyring.acknowledged(5000)).toEqual({ acknowledged: ['one', 'two'], pending: [] });
    const readAt = one.keyring.epoch();
    expect(one.keyring.changedAt(['KEY00042'])).toBeLessThanOrEqual(readAt);
    expect((await one.keyring.list({ filter: {}, limit: 100 })).keys.filter(({ revokedAt }) => revokedAt !== undefined)).toHaveLength(60);
    await one.keyring.remove('KEY00000', revocation);
    expect(await two.keyring.get('KEY00000')).toBeUndefined();
  });
});
