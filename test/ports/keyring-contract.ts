import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { countOf, digestOf, linesOf, minute, type OpenSubject, recordsAbout, recordsOf, type Subject, start, testKey } from './subject.ts';

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
      expect(await subject.keyring.get('AbCd1234')).toEqual(key);
      expect(await subject.keyring.byDigest(digestOf('new'))).toEqual(key);
      expect(await subject.keyring.byDigest(digestOf('old'))).toEqual(key);
      expect(await subject.keyring.byDigest(digestOf('other'))).toBeUndefined();
      expect(await subject.keyring.get('other')).toBeUndefined();
    });

    test('an id or a digest that exists is refused and nothing is written', async () => {
      await subject.keyring.insert(testKey('AAAAAAAA'), by);
      const count = await countOf(subject.journal);
      await expect(subject.keyring.insert(testKey('AAAAAAAA', { digests: [] }), by)).rejects.toThrow('AAAAAAAA');
      await expect(subject.keyring.insert(testKey('BBBBBBBB', { digests: testKey('AAAAAAAA').digests }), by)).rejects.toThrow();
      expect(await subject.keyring.get('BBBBBBBB')).toBeUndefined();
      expect(await countOf(subject.journal)).toBe(count);
    });

    test('two inserts of one id at the same time: exactly one succeeds', async () => {
      const results = await Promise.allSettled(
        [1, 2, 3, 4].map((n) =>
          subject.keyring.insert(testKey('AAAAAAAA', { name: `n${n}`, digests: [{ digest: digestOf(`${n}`), pepperId: 'p1' }] }), by),
        ),
      );
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      expect(await recordsOf(subject.journal)).toHaveLength(1);
    });

    test('revoking marks the record once, keeps the first reason and resolves to the record', async () => {
      const key = testKey('AAAAAAAA');
      await subject.keyring.insert(key, by);
      const revoked = await subject.keyring.revoke('AAAAAAAA', { reason: 'leaked', at: start + 5, by });
      expect(revoked).toEqual({ ...key, revokedAt: start + 5, revokedReason: 'leaked', revision: 2 });
      expect(await subject.keyring.get('AAAAAAAA')).toEqual(revoked);
      expect(await subject.keyring.revoke('AAAAAAAA', { reason: 'again', at: start + 9, by })).toEqual(revoked);
      expect(await subject.keyring.revoke('unknown', { reason: 'x', at: start, by })).toBeUndefined();
      expect((await recordsOf(subject.journal)).map(({ kind }) => kind)).toEqual(['key.minted', 'key.revoked']);
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
    });

    test('what was read of a key is stale once it changed, and good again when read anew', async () => {
      await subject.keyring.insert(testKey('AAAAAAAA'), by);
      const change = {
        replace: (revision: number) =>
          subject.keyring.replace({
            record: testKey('AAAAAAAA', { name: 'new', revision }),
            expected: revision - 1,
            fact: { kind: 'key.changed' },
            by,
          }),
        revoke: () => subject.keyring.revoke('AAAAAAAA', { reason: 'x', at: start, by }),
        remove: () => subject.keyring.remove('AAAAAAAA', { reason: 'x', at: start, by }),
      };
      for (const act of [() => change.replace(2), change.revoke, change.remove]) {
        // A change may be under way for a moment after its promise resolved, as far as others know.
        await expect
          .poll(() => subject.keyring.changedAt(['AAAAAAAA']), { timeout: 5_000, interval: 2 })
          .toBeLessThan(Number.POSITIVE_INFINITY);
        const readAt = subject.keyring.epoch();
        expect(subject.keyring.changedAt(['AAAAAAAA'])).toBeLessThanOrEqual(readAt);
        await act();
        expect(subject.keyring.changedAt(['AAAAAAAA', 'BBBBBBBB'])).toBeGreaterThan(readAt);
        expect(subject.keyring.epoch()).toBeGreaterThan(readAt);
      }
    });

    test('a change is acknowledged by every process there is, within the bound', async () => {
      const heard: (readonly string[] | 'all')[] = [];
      subject.keyring.onChange(async (changed) => {
        heard.push(changed);
      });
      await subject.keyring.insert(testKey('AAAAAAAA'), by);
      await subject.keyring.revoke('AAAAAAAA', { reason: 'x', at: start, by });
      const { acknowledged, pending } = await subject.keyring.acknowledged(5_000);
      expect(pending).toEqual([]);
      expect(acknowledged.every((replica) => typeof replica === 'string' && replica !== '')).toBe(true);
      expect(heard.flat().every((id) => id === 'all' || id === 'AAAAAAAA')).toBe(true);
    });

    test('lists are in order of id, in pages, and narrowed by every member of the filter', async () => {
      for (const id of ['DDDDDDDD', 'BBBBBBBB', 'AAAAAAAA', 'CCCCCCCC']) {
        const orgId = id < 'CCCCCCCC' ? 'acme' : 'other';
        await subject.keyring.insert(testKey(id, { orgId, environment: id.startsWith('A') ? 'test' : 'live' }), by);
      }
      const first = await subject.keyring.list({ filter: {}, limit: 3 });
      expect(first.keys.map(({ id }) => id)).toEqual(['AAAAAAAA', 'BBBBBBBB', 'CCCCCCCC']);
      const second = await subject.keyring.list({ filter: {}, limit: 3, cursor: first.nextCursor ?? '' });
      expect(second).toEqual({ keys: [await subject.keyring.get('DDDDDDDD')] });
      expect((await subject.keyring.list({ filter: {}, limit: 4 })).nextCursor).toBeUndefined();
      const ids = async (filter: Parameters<typeof subject.keyring.list>[0]['filter']) =>
        (await subject.keyring.list({ filter, limit: 10 })).keys.map(({ id }) => id);
      expect(await ids({ orgId: 'acme' })).toEqual(['AAAAAAAA', 'BBBBBBBB']);
      expect(await ids({ orgId: 'acme', environment: 'test' })).toEqual(['AAAAAAAA']);
      expect(await ids({ kind: 'operator' })).toEqual([]);
    });

    test('the journal says who minted and revoked what, and holds no digest', async () => {
      await subject.keyring.insert(testKey('AAAAAAAA', { orgId: 'acme', expiresAt: start + minute }), { via: 'api', keyId: 'OPERATOR' });
      await subject.keyring.revoke('AAAAAAAA', { reason: 'leaked', at: start, by: { via: 'cli' } });
      const [minted, revoked] = await recordsOf(subject.journal);
      expect(minted).toMatchObject({
        kind: 'key.minted',
        keyId: 'AAAAAAAA',
        org: 'acme',
        via: 'api',
        byKeyId: 'OPERATOR',
        scopes: ['read'],
      });
      expect(revoked).toMatchObject({ kind: 'key.revoked', keyId: 'AAAAAAAA', reason: 'leaked', via: 'cli' });
      expect((await linesOf(subject.journal)).join()).not.toContain(digestOf('AAAAAAAA'));
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
        expect((await subject.keyring.list({ filter: { parentId: 'PARENT00' }, limit: 9 })).keys.map(({ id }) => id)).toEqual(['CHILD000']);
        expect((await recordsAbout(subject.journal, 'GRANDCHI')).at(-1)).toMatchObject({ parentIds: ['CHILD000', 'PARENT00'] });
      });

      test.each([
        ['an unknown parent', { parentIds: ['NOSUCHID'] }],
        ['an unknown ancestor', { parentIds: ['PARENT00', 'NOSUCHID'] }],
        ['another account', { accountId: 'other' }],
        ['another environment', { environment: 'test' as const }],
        ['a later expiry', { expiresAt: start + 11 * minute }],
      ])('%s is refused', async (_what, changes) => {
        await expect(subject.keyring.insert({ ...child, ...changes }, by)).rejects.toThrow('CHILD000');
        expect(await subject.keyring.get('CHILD000')).toBeUndefined();
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
