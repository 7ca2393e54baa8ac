import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { KeyRecord } from '../../src/domain/key.ts';
import type { KeyFact } from '../../src/ports/keyring.ts';
import {
  admitRequest,
  countOf,
  digestOf,
  hour,
  micros,
  minute,
  type OpenSubject,
  outcomeFacts,
  recordsAbout,
  type Subject,
  start,
  testKey,
} from './subject.ts';

const by = { via: 'cli' } as const;
const changed = { kind: 'key.changed' } as const;

/** What every keyring must do when keys change, are rotated and go. */
export function keyChangesContract(name: string, open: OpenSubject): void {
  describe(`keyring contract, changes of keys: ${name}`, () => {
    let subject: Subject;
    beforeEach(async () => {
      subject = await open();
    });
    afterEach(() => subject.close());

    /** Expects the revision before the record's own. */
    const replace = (record: KeyRecord, fact: KeyFact = changed) =>
      subject.keyring.replace({ record, expected: record.revision - 1, fact, by });

    describe('replace', () => {
      test('puts the changed record in place and journals what kind of change it was, of which members, by whom', async () => {
        const key = testKey('AAAAAAAA', { orgId: 'acme', name: 'old', owner: 'ada', metadata: { team: 'x' } });
        await subject.keyring.insert(key, by);
        const epoch = subject.keyring.epoch();
        const { owner: _, ...rest } = key;
        const record = { ...rest, name: 'new', metadata: { team: 'top-secret-team' }, revision: 2 };
        const fact = { kind: 'key.changed', ticket: 'T-1', keyId: 'forged', via: 'forged' } as const;
        expect(await subject.keyring.replace({ record, expected: 1, fact, by: { via: 'api', keyId: 'OPERATOR' } })).toBe(true);
        expect(await subject.keyring.get('AAAAAAAA')).toEqual(record);
        expect(subject.keyring.epoch()).not.toBe(epoch);
        const entry = (await recordsAbout(subject.journal, 'AAAAAAAA')).at(-1);
        const expected = { kind: 'key.changed', ticket: 'T-1', keyId: 'AAAAAAAA', org: 'acme', via: 'api', byKeyId: 'OPERATOR' };
        expect(entry).toMatchObject({ ...expected, changed: ['metadata', 'name', 'owner'], time: new Date(start).toISOString() });
        expect(JSON.stringify(entry)).not.toContain('top-secret-team');
      });

      test('writes nothing where the stored revision is another one', async () => {
        const key = testKey('AAAAAAAA');
        await subject.keyring.insert(key, by);
        expect(await replace({ ...key, name: 'first', revision: 2 })).toBe(true);
        const count = await countOf(subject.journal);
        expect(await replace({ ...key, name: 'second', revision: 2 })).toBe(false);
        expect(await replace({ ...key, name: 'second', revision: 9 })).toBe(false);
        expect((await subject.keyring.get('AAAAAAAA'))?.name).toBe('first');
        expect(await countOf(subject.journal)).toBe(count);
      });

      test.each<[string, Partial<KeyRecord>]>([
        ['another line of ancestors', { parentIds: ['OTHER000'] }],
        ['another environment', { environment: 'test' }],
        ['another kind', { kind: 'operator' }],
        ['another ledger root', { accountId: 'other' }],
        ['a revision that does not follow', { revision: 3 }],
        ['the secret of another key', { digests: [{ digest: digestOf('OTHER000'), pepperId: 'p1' }] }],
        ['an id that does not exist', { id: 'NOSUCHID' }],
      ])('%s is refused and nothing is written', async (_what, changes) => {
        const key = testKey('AAAAAAAA', { accountId: 'acme' });
        await subject.keyring.insert(key, by);
        await subject.keyring.insert(testKey('OTHER000'), by);
        const count = await countOf(subject.journal);
        const record = { ...key, revision: 2, ...changes };
        await expect(subject.keyring.replace({ record, expected: 1, fact: changed, by })).rejects.toThrow(/key|Key/);
        expect(await subject.keyring.get('AAAAAAAA')).toEqual(key);
        expect((await subject.keyring.byDigest(digestOf('OTHER000')))?.id).toBe('OTHER000');
        expect(await countOf(subject.journal)).toBe(count);
      });

      test('a revoked key stays revoked, and can still be changed otherwise', async () => {
        await subject.keyring.insert(testKey('AAAAAAAA'), by);
        const revoked = await subject.keyring.revoke('AAAAAAAA', { reason: 'leaked', at: start, by });
        if (!revoked) throw new Error('not revoked');
        const { revokedAt: _, revokedReason: __, ...alive } = revoked;
        await expect(replace({ ...alive, revision: 3 })).rejects.toThrow('revoked');
        expect(await replace({ ...revoked, name: 'dead', revision: 3 })).toBe(true);
      });

      test('I7: the expiry moves within the parent, and a shortened parent does not lock its children', async () => {
        const parent = testKey('PARENT00', { expiresAt: start + 10 * minute });
        const child = testKey('CHILD000', { parentIds: ['PARENT00'], expiresAt: start + 5 * minute });
        await subject.keyring.insert(parent, by);
        await subject.keyring.insert(child, by);
        const { expiresAt: _, ...endless } = child;
        await expect(replace({ ...endless, revision: 2 })).rejects.toThrow('no later');
        await expect(replace({ ...child, expiresAt: start + 11 * minute, revision: 2 })).rejects.toThrow('no later');
        expect(await replace({ ...child, expiresAt: start + 10 * minute, revision: 2 })).toBe(true);
        expect(await replace({ ...parent, expiresAt: start + minute, revision: 2 })).toBe(true);
        expect(await replace({ ...child, expiresAt: start + 10 * minute, name: 'renamed', revision: 3 })).toBe(true);
        await expect(replace({ ...child, expiresAt: start + 10 * minute + 1, revision: 4 })).rejects.toThrow('no later');
        expect(await replace({ ...child, expiresAt: start + 2 * minute, revision: 4 })).toBe(true);
      });

      test('a call that was judged before the change is stale', async () => {
        const key = testKey('AAAAAAAA');
        await subject.keyring.insert(key, by);
        await replace({ ...key, scopes: [], revision: 2 });
        expect(await subject.ledger.admit(admitRequest(key, { reservationId: 'r1' }))).toEqual({ kind: 'stale' });
      });

      test('no update is lost, however many change one key at once', async () => {
        let run = 0;
        let contended = 0;
        await fc.assert(
          fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 2, maxLength: 8 }), async (updates) => {
            run += 1;
            const id = `KEY${String(run).padStart(5, '0')}`;
            await subject.keyring.insert(testKey(id, { metadata: {} }), by);
            const first = await countOf(subject.journal);
            const update = async (name: string): Promise<void> => {
              for (;;) {
                const now = await subject.keyring.get(id);
                if (!now) throw new Error('gone');
                // The decision takes a moment, in which others may be faster.
                await Promise.resolve();
                if (await replace({ ...now, metadata: { ...now.metadata, [name]: name }, revision: now.revision + 1 })) return;
                contended += 1;
              }
            };
            const write = async (count: number, writer: number): Promise<void> => {
              for (let n = 0; n < count; n += 1) await update(`w${writer} ${n}`);
            };
            await Promise.all(updates.map(write));
            const total = updates.reduce((sum, count) => sum + count, 0);
            const after = await subject.keyring.get(id);
            expect(Object.keys(after?.metadata ?? {})).toHaveLength(total);
            expect(after?.revision).toBe(1 + total);
            expect((await countOf(subject.journal)) - first).toBe(total);
          }),
          { numRuns: 10, seed: 20_260_715 },
        );
        expect(contended).toBeGreaterThan(10);
      });
    });

    describe('rotation', () => {
      const secret = (text: string, until?: number) => ({ digest: digestOf(text), pepperId: 'p1', ...(until !== undefined && { until }) });

      test('A36: both secrets find the one record while they overlap, and the old one is unknown from its end on', async () => {
        const key = testKey('AAAAAAAA', { digests: [secret('old')] });
        await subject.keyring.insert(key, by);
        const rotated = { ...key, digests: [secret('new'), secret('old', start + hour)], last4: 'newx', revision: 2 };
        await replace(rotated, { kind: 'key.rotated', overlapMs: hour });
        expect(await subject.keyring.byDigest(digestOf('new'))).toEqual(rotated);
        expect(await subject.keyring.byDigest(digestOf('old'))).toEqual(rotated);
        subject.clock.step(hour - 1);
        expect(await subject.keyring.byDigest(digestOf('old'))).toEqual(rotated);
        subject.clock.step(1);
        expect(await subject.keyring.byDigest(digestOf('old'))).toBeUndefined();
        expect(await subject.keyring.byDigest(digestOf('new'))).toEqual(rotated);
        const entry = (await recordsAbout(subject.journal, 'AAAAAAAA')).at(-1);
        expect(entry).toMatchObject({ kind: 'key.rotated', overlapMs: hour, changed: ['last4', 'secret'] });
        expect(JSON.stringify(entry)).not.toMatch(new RegExp(`${digestOf('new')}|${digestOf('old')}`));
      });

      test('a secret that the record no longer lists is unknown at once; one that it lists is taken', async () => {
        const key = testKey('AAAAAAAA', { digests: [secret('one')] });
        await subject.keyring.insert(key, by);
        await replace({ ...key, digests: [secret('two'), secret('one', start)], revision: 2 });
        expect(await subject.keyring.byDigest(digestOf('one'))).toBeUndefined();
        await expect(subject.keyring.insert(testKey('BBBBBBBB', { digests: [secret('one')] }), by)).rejects.toThrow('secret');
        await replace({ ...key, digests: [secret('two')], revision: 3 });
        subject.clock.step(-hour);
        expect(await subject.keyring.byDigest(digestOf('one'))).toBeUndefined();
        await subject.keyring.insert(testKey('BBBBBBBB', { digests: [secret('one')] }), by);
        expect((await subject.keyring.byDigest(digestOf('one')))?.id).toBe('BBBBBBBB');
      });

      test('after any rotations and at any time, exactly the secrets whose time has not passed are known', async () => {
        const rotations = fc.array(fc.record({ overlapMs: fc.integer({ min: 0, max: 5000 }), stepMs: fc.integer({ min: 0, max: 4000 }) }), {
          minLength: 1,
          maxLength: 8,
        });
        let run = 0;
        const seen = new Set<string>();
        await fc.assert(
          fc.asyncProperty(rotations, async (sequence) => {
            run += 1;
            const id = `KEY${String(run).padStart(5, '0')}`;
            let key = testKey(id, { digests: [secret(`${id} 0`)] });
            await subject.keyring.insert(key, by);
            for (const [at, { overlapMs, stepMs }] of sequence.entries()) {
              const until = subject.clock.now() + overlapMs;
              // Only two overlap: whatever was older goes.
              key = { ...key, digests: [secret(`${id} ${at + 1}`), secret(`${id} ${at}`, until)], revision: key.revision + 1 };
              expect(await replace(key, { kind: 'key.rotated' })).toBe(true);
              subject.clock.step(stepMs);
              const known = async (n: number) => (await subject.keyring.byDigest(digestOf(`${id} ${n}`)))?.id === id;
              expect(await known(at + 1)).toBe(true);
              expect(await known(at)).toBe(subject.clock.now() < until);
              for (let older = 0; older < at; older += 1) expect(await known(older)).toBe(false);
              seen.add(`${await known(at)}`);
            }
          }),
          { numRuns: 25, seed: 20_260_715 },
        );
        expect([...seen].sort()).toEqual(['false', 'true']);
      });
    });

    describe('remove', () => {
      test('the key and its secrets are unknown for good, and the journal keeps what it was', async () => {
        const key = testKey('AAAAAAAA', { name: 'gone soon', orgId: 'acme' });
        await subject.keyring.insert(key, by);
        const epoch = subject.keyring.epoch();
        const options = { reason: 'asked to', at: start + 5, by: { via: 'api', keyId: 'OPERATOR' } } as const;
        expect(await subject.keyring.remove('AAAAAAAA', options)).toEqual(key);
        expect(await subject.keyring.get('AAAAAAAA')).toBeUndefined();
        expect(await subject.keyring.byDigest(digestOf('AAAAAAAA'))).toBeUndefined();
        expect((await subject.keyring.list({ filter: {}, limit: 9 })).keys).toEqual([]);
        expect(subject.keyring.epoch()).not.toBe(epoch);
        const facts = { kind: 'key.deleted', keyId: 'AAAAAAAA', name: 'gone soon', org: 'acme', reason: 'asked to' };
        expect((await recordsAbout(subject.journal, 'AAAAAAAA')).at(-1)).toMatchObject({ ...facts, via: 'api', byKeyId: 'OPERATOR' });
        const count = await countOf(subject.journal);
        expect(await subject.keyring.remove('AAAAAAAA', options)).toBeUndefined();
        expect(await countOf(subject.journal)).toBe(count);
        expect(await subject.ledger.admit(admitRequest(key, { reservationId: 'r1' }))).toEqual({ kind: 'dead', reason: 'TOKEN_INVALID' });
      });

      test('descendants are dead with it', async () => {
        const top = testKey('TOP00000');
        const leaf = testKey('LEAF0000', { parentIds: ['TOP00000'] });
        await subject.keyring.insert(top, by);
        await subject.keyring.insert(leaf, by);
        await subject.keyring.remove('TOP00000', { reason: 'x', at: start, by });
        const answer = await subject.ledger.admit(admitRequest(leaf, { reservationId: 'r1', ancestors: [top] }));
        expect(answer).toEqual({ kind: 'dead', reason: 'TOKEN_INVALID' });
        await expect(subject.keyring.insert(testKey('LEAF0001', { parentIds: ['TOP00000'] }), by)).rejects.toThrow('TOP00000');
      });

      test('calls that are running then end as ever: settled, expired or corrected', async () => {
        const budgets = [{ amount: micros(100), per: 'total', zone: 'UTC' }] as const;
        const totals = [{ name: 'rule amount', amount: 5, limit: 100, per: 'total', zone: 'UTC' }] as const;
        const top = testKey('TOP00000', { budgets });
        const leaf = testKey('LEAF0000', { parentIds: ['TOP00000'], budgets });
        await subject.keyring.insert(top, by);
        await subject.keyring.insert(leaf, by);
        for (const reservationId of ['settled', 'expired', 'corrected']) {
          const answer = await subject.ledger.admit(admitRequest(leaf, { reservationId, ancestors: [top], price: micros(10), totals }));
          expect(answer).toMatchObject({ kind: 'admitted' });
        }
        const { root } = admitRequest(leaf, { reservationId: 'any' });
        const settle = (reservationId: string, charge: number) =>
          subject.ledger.settle({ root, reservationId, charge: micros(charge), now: start, outcome: outcomeFacts });
        await subject.keyring.remove('LEAF0000', { reason: 'x', at: start, by });
        await settle('settled', 4);
        expect(await subject.ledger.sweep({ now: start + hour })).toBe(2);
        await settle('corrected', 3);
        expect(await subject.ledger.usage({ key: top, ancestors: [], now: start })).toMatchObject([
          { spent: 17, held: 0 },
          { limitName: 'key:TOP00000 total rule amount total', spent: 15, held: 0 },
        ]);
        expect(await subject.ledger.usage({ key: leaf, ancestors: [], now: start })).toMatchObject([{ spent: 0, held: 0 }]);
      });
    });
  });
}
