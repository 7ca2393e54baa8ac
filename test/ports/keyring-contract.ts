import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { digestOf, minute, type OpenSubject, recordsOf, type Subject, start, testKey } from './subject.ts';

const by = { via: 'cli' } as const;

/** What every keyring must do, whatever it is stored in. */
export function keyringContract(name: string, open: OpenSubject): void {
  describe(`keyring contract: ${name}`, () => {
    let subject: Subject;
    beforeEach(async () => {
      subject = await open();
    });
    afterEach(() => subject.close());

    test('a key is found by id and by each of its digests, dead or alive', async () => {
      const digests = [digestOf('new'), digestOf('old')].map((digest) => ({ digest, pepperId: 'p1' }));
      const key = testKey('AbCd1234', { digests, metadata: { team: 'x' }, expiresAt: start - minute });
      await subject.keyring.insert(key, by);
      expect(subject.keyring.get('AbCd1234')).toEqual(key);
      expect(subject.keyring.byDigest(digestOf('new'))).toEqual(key);
      expect(subject.keyring.byDigest(digestOf('old'))).toEqual(key);
      expect(subject.keyring.byDigest(digestOf('other'))).toBeUndefined();
      expect(subject.keyring.get('other')).toBeUndefined();
    });

    test('an id or a digest that exists is refused and nothing is written', async () => {
      await subject.keyring.insert(testKey('AAAAAAAA'), by);
      const before = { epoch: subject.keyring.epoch(), head: subject.journal.head() };
      await expect(subject.keyring.insert(testKey('AAAAAAAA', { digests: [] }), by)).rejects.toThrow('AAAAAAAA');
      await expect(subject.keyring.insert(testKey('BBBBBBBB', { digests: testKey('AAAAAAAA').digests }), by)).rejects.toThrow();
      expect(subject.keyring.get('BBBBBBBB')).toBeUndefined();
      expect({ epoch: subject.keyring.epoch(), head: subject.journal.head() }).toEqual(before);
    });

    test('two inserts of one id at the same time: exactly one succeeds', async () => {
      const results = await Promise.allSettled(
        [1, 2, 3, 4].map((n) =>
          subject.keyring.insert(testKey('AAAAAAAA', { name: `n${n}`, digests: [{ digest: digestOf(`${n}`), pepperId: 'p1' }] }), by),
        ),
      );
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      expect(recordsOf(subject.journal)).toHaveLength(1);
    });

    test('revoking marks the record once, keeps the first reason and resolves to the record', async () => {
      const key = testKey('AAAAAAAA');
      await subject.keyring.insert(key, by);
      const revoked = await subject.keyring.revoke('AAAAAAAA', { reason: 'leaked', at: start + 5, by });
      expect(revoked).toEqual({ ...key, revokedAt: start + 5, revokedReason: 'leaked', revision: 2 });
      expect(subject.keyring.get('AAAAAAAA')).toEqual(revoked);
      const epoch = subject.keyring.epoch();
      expect(await subject.keyring.revoke('AAAAAAAA', { reason: 'again', at: start + 9, by })).toEqual(revoked);
      expect(subject.keyring.epoch()).toBe(epoch);
      expect(await subject.keyring.revoke('unknown', { reason: 'x', at: start, by })).toBeUndefined();
      expect(recordsOf(subject.journal).map(({ kind }) => kind)).toEqual(['key.minted', 'key.revoked']);
    });

    test('the epoch changes with every change of any key', async () => {
      const seen = new Set([subject.keyring.epoch()]);
      await subject.keyring.insert(testKey('AAAAAAAA'), by);
      seen.add(subject.keyring.epoch());
      await subject.keyring.insert(testKey('BBBBBBBB'), by);
      seen.add(subject.keyring.epoch());
      await subject.keyring.revoke('AAAAAAAA', { reason: 'x', at: start, by });
      seen.add(subject.keyring.epoch());
      expect(seen.size).toBe(4);
      await subject.ledger.record({ kind: 'call.refused' });
      expect(seen).toContain(subject.keyring.epoch());
    });

    test('lists are in order of id, in pages, and narrowed by every member of the filter', async () => {
      for (const id of ['DDDDDDDD', 'BBBBBBBB', 'AAAAAAAA', 'CCCCCCCC']) {
        const orgId = id < 'CCCCCCCC' ? 'acme' : 'other';
        await subject.keyring.insert(testKey(id, { orgId, environment: id.startsWith('A') ? 'test' : 'live' }), by);
      }
      const first = subject.keyring.list({ filter: {}, limit: 3 });
      expect(first.keys.map(({ id }) => id)).toEqual(['AAAAAAAA', 'BBBBBBBB', 'CCCCCCCC']);
      const second = subject.keyring.list({ filter: {}, limit: 3, cursor: first.nextCursor ?? '' });
      expect(second).toEqual({ keys: [subject.keyring.get('DDDDDDDD')] });
      expect(subject.keyring.list({ filter: {}, limit: 4 }).nextCursor).toBeUndefined();
      const ids = (filter: Parameters<typeof subject.keyring.list>[0]['filter']) =>
        subject.keyring.list({ filter, limit: 10 }).keys.map(({ id }) => id);
      expect(ids({ orgId: 'acme' })).toEqual(['AAAAAAAA', 'BBBBBBBB']);
      expect(ids({ orgId: 'acme', environment: 'test' })).toEqual(['AAAAAAAA']);
      expect(ids({ kind: 'operator' })).toEqual([]);
    });

    test('the journal says who minted and revoked what, and holds no digest', async () => {
      await subject.keyring.insert(testKey('AAAAAAAA', { orgId: 'acme', expiresAt: start + minute }), { via: 'api', keyId: 'OPERATOR' });
      await subject.keyring.revoke('AAAAAAAA', { reason: 'leaked', at: start, by: { via: 'cli' } });
      const [minted, revoked] = recordsOf(subject.journal);
      expect(minted).toMatchObject({
        kind: 'key.minted',
        keyId: 'AAAAAAAA',
        org: 'acme',
        via: 'api',
        byKeyId: 'OPERATOR',
        scopes: ['read'],
      });
      expect(revoked).toMatchObject({ kind: 'key.revoked', keyId: 'AAAAAAAA', reason: 'leaked', via: 'cli' });
      const texts = subject.journal.read({ after: 0, limit: 10 }).map(({ text }) => text);
      expect(texts.join()).not.toContain(digestOf('AAAAAAAA'));
    });

    describe('descent (I7)', () => {
      const parent = testKey('PARENT00', { accountId: 'acme', expiresAt: start + 10 * minute });
      const child = testKey('CHILD000', { parentIds: ['PARENT00'], accountId: 'acme', expiresAt: start + 5 * minute });
      beforeEach(() => subject.keyring.insert(parent, by));

      test('children and their children are kept and listed by parent', async () => {
        await subject.keyring.insert(child, by);
        await subject.keyring.insert(
          testKey('GRANDCHI', { ...child, id: 'GRANDCHI', digests: [], parentIds: ['CHILD000', 'PARENT00'] }),
          by,
        );
        expect(subject.keyring.list({ filter: { parentId: 'PARENT00' }, limit: 9 }).keys.map(({ id }) => id)).toEqual(['CHILD000']);
        expect(recordsOf(subject.journal).at(-1)).toMatchObject({ parentIds: ['CHILD000', 'PARENT00'] });
      });

      test.each([
        ['an unknown parent', { parentIds: ['NOSUCHID'] }],
        ['an unknown ancestor', { parentIds: ['PARENT00', 'NOSUCHID'] }],
        ['another account', { accountId: 'other' }],
        ['another environment', { environment: 'test' as const }],
        ['a later expiry', { expiresAt: start + 11 * minute }],
      ])('%s is refused', async (_what, changes) => {
        await expect(subject.keyring.insert({ ...child, ...changes }, by)).rejects.toThrow('CHILD000');
        expect(subject.keyring.get('CHILD000')).toBeUndefined();
      });

      test('no expiry under a parent that expires, and a revoked parent, are refused', async () => {
        const { expiresAt: _, ...endless } = child;
        await expect(subject.keyring.insert(endless, by)).rejects.toThrow('CHILD000');
        await subject.keyring.revoke('PARENT00', { reason: 'x', at: start, by });
        await expect(subject.keyring.insert(child, by)).rejects.toThrow('revoked');
      });
    });
  });
}
