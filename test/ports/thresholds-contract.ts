import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { budget, type Calls, callsOn, cap } from './calls.ts';
import { day, hour, micros, type OpenSubject, type Subject, start } from './subject.ts';

/** What every ledger must report of limits that are being used up. Thresholds are those of the subject: 50, 80 and 100 percent. */
export function thresholdsContract(name: string, open: OpenSubject): void {
  describe(`ledger contract, thresholds: ${name}`, () => {
    let subject: Subject;
    let calls: Calls;
    beforeEach(async () => {
      subject = await open();
      calls = callsOn(subject);
    });
    afterEach(() => subject.close());

    /** Threshold, spent and held of each report, in order. */
    const reported = async () => (await calls.thresholds()).map(({ threshold, spent, held }) => [threshold, spent, held]);

    test('what is spent is reported once for each threshold that it reaches, in the commit that carries it there', async () => {
      const key = await calls.minted('AAAAAAAA', { budgets: [budget(100, 'day')] });
      await calls.spend(key, 49);
      expect(await reported()).toEqual([]);
      await calls.admit(key, 20);
      expect(await reported()).toEqual([]);
      await calls.spend(key, 1);
      expect(await calls.thresholds()).toMatchObject([
        {
          ...{ kind: 'limit.threshold', keyId: 'AAAAAAAA', limitName: 'key:AAAAAAAA budget day', threshold: 50 },
          ...{ limit: '0.0001', spent: '0.00005', held: '0.00002', resetAt: new Date(start + day / 2).toISOString() },
        },
      ]);
      expect((await calls.thresholds())[0]).not.toHaveProperty('soft');
      await calls.spend(key, 29);
      expect(await reported()).toHaveLength(1);
      await calls.settle(key, 'r2', 20);
      expect((await reported()).slice(1)).toEqual([[80, '0.000099', '0']]);
      await calls.spend(key, 1);
      expect((await reported()).slice(2)).toEqual([[100, '0.0001', '0']]);
    });

    test('of several that are jumped the highest is reported, and none twice', async () => {
      const key = await calls.minted('AAAAAAAA', { budgets: [budget(100)] });
      await calls.spend(key, 85);
      await calls.spend(key, 1);
      expect(await calls.thresholds()).toMatchObject([{ threshold: 80, limitName: 'key:AAAAAAAA budget total', spent: '0.000085' }]);
      expect((await calls.thresholds())[0]).not.toHaveProperty('resetAt');
      await calls.spend(key, 14);
      expect((await reported()).map(([threshold]) => threshold)).toEqual([80, 100]);
    });

    test('calls are reported when they are admitted, uses too', async () => {
      const key = await calls.minted('AAAAAAAA', { caps: [cap(2, 'hour', { tool: 'get_*' })], maxUses: 5 });
      await calls.admit(key, 0, { tool: 'get_a' });
      expect(await calls.thresholds()).toMatchObject([
        { threshold: 50, limitName: 'key:AAAAAAAA cap hour get_*', limit: 2, spent: 1, held: '0' },
      ]);
      await calls.admit(key, 0, { tool: 'get_a' });
      for (const tool of ['put', 'put', 'put']) await calls.admit(key, 0, { tool });
      await calls.admit(key, 0, { counts: false });
      const named = (await calls.thresholds()).map(({ threshold, limitName }) => [threshold, limitName]);
      expect(named).toEqual([
        [50, 'key:AAAAAAAA cap hour get_*'],
        [100, 'key:AAAAAAAA cap hour get_*'],
        [50, 'key:AAAAAAAA uses'],
        [80, 'key:AAAAAAAA uses'],
        [100, 'key:AAAAAAAA uses'],
      ]);
    });

    test('a new window reports anew', async () => {
      const key = await calls.minted('AAAAAAAA', { budgets: [budget(100, 'hour')] });
      await calls.spend(key, 60);
      subject.clock.step(hour);
      await calls.spend(key, 60);
      subject.clock.step(-hour);
      await calls.spend(key, 1);
      expect(await reported()).toEqual([
        [50, '0.00006', '0'],
        [50, '0.00006', '0'],
      ]);
    });

    test('limits that count the same are told apart, those of ancestors and accounts are named, soft ones say so', async () => {
      await calls.funded('acme', 1000, { budgets: [budget(120, 'day', { soft: true })] });
      const top = await calls.minted('TOP00000', { accountId: 'acme', budgets: [budget(150, 'day'), budget(200, 'day')] });
      const leaf = await calls.minted('LEAF0000', { accountId: 'acme', parentIds: ['TOP00000'] });
      await calls.spend(leaf, 75, { ancestors: [top] });
      await calls.spend(leaf, 25, { ancestors: [top] });
      await calls.spend(leaf, 30, { ancestors: [top] });
      const told = (await calls.thresholds()).map(({ threshold, limit, keyId, account, soft }) => [
        threshold,
        limit,
        keyId ?? account,
        soft,
      ]);
      expect(told).toEqual([
        [50, '0.00015', 'TOP00000', undefined],
        [50, '0.00012', 'acme', true],
        [50, '0.0002', 'TOP00000', undefined],
        [80, '0.00012', 'acme', true],
        [80, '0.00015', 'TOP00000', undefined],
        [100, '0.00012', 'acme', true],
      ]);
      expect((await calls.thresholds())[1]).toMatchObject({ limitName: 'account:acme budget day' });
      expect((await calls.thresholds())[1]).not.toHaveProperty('keyId');
    });

    test('the first refusal by a limit in a window reports that it is used up, whatever holds it', async () => {
      const key = await calls.minted('AAAAAAAA', { budgets: [budget(100, 'hour'), budget(1000, 'day')] });
      await calls.admit(key, 90);
      for (let n = 0; n < 3; n += 1) expect((await calls.admit(key, 20)).kind).toBe('limited');
      expect(await calls.thresholds()).toMatchObject([
        { threshold: 100, limitName: 'key:AAAAAAAA budget hour', limit: '0.0001', spent: '0', held: '0.00009' },
      ]);
      await calls.settle(key, 'r1', 90);
      expect(await reported()).toHaveLength(1);
      subject.clock.step(hour);
      expect((await calls.admit(key, 101)).kind).toBe('limited');
      expect((await reported()).slice(1)).toEqual([[100, '0', '0']]);
    });

    test('a limit of nothing, a cap and a total that refuse are reported; a balance has no thresholds', async () => {
      await calls.funded('acme', 0);
      const key = await calls.minted('AAAAAAAA', { accountId: 'acme', caps: [cap(0, 'day', { tool: 'never' })] });
      expect((await calls.admit(key, 0, { tool: 'never' })).kind).toBe('limited');
      const total = { name: 'rule amount', amount: 11, limit: 10, per: 'day', zone: 'UTC' } as const;
      expect((await calls.admit(key, 0, { totals: [total] })).kind).toBe('limited');
      expect((await calls.admit(key, 1)).kind).toBe('limited');
      expect((await calls.thresholds()).map(({ threshold, limitName }) => [threshold, limitName])).toEqual([
        [100, 'key:AAAAAAAA cap day never'],
        [100, 'key:AAAAAAAA total rule amount day'],
      ]);
    });

    test('totals of arguments are reported when their share is spent', async () => {
      const key = await calls.minted('AAAAAAAA');
      const total = { name: 'rule amount', amount: 30, limit: 100, per: 'day', zone: 'UTC' } as const;
      await calls.admit(key, 0, { totals: [total] });
      await calls.admit(key, 0, { totals: [total] });
      await calls.admit(key, 0, { totals: [total] });
      await calls.settle(key, 'r1', 0, { released: true });
      await calls.settle(key, 'r2', 0);
      expect(await reported()).toEqual([]);
      await calls.settle(key, 'r3', 0);
      expect(await calls.thresholds()).toMatchObject([
        { threshold: 50, keyId: 'AAAAAAAA', limitName: 'key:AAAAAAAA total rule amount day', spent: '0.00006', held: '0' },
      ]);
    });

    test('an expiry reports what it charges; a correction downwards reports nothing and takes no report back', async () => {
      const key = await calls.minted('AAAAAAAA', { budgets: [budget(100)] });
      await calls.admit(key, 85);
      subject.clock.step(hour);
      await subject.ledger.sweep({ now: subject.clock.now() });
      expect(await reported()).toEqual([[80, '0.000085', '0']]);
      await calls.settle(key, 'r1', 10);
      await calls.spend(key, 45);
      await calls.spend(key, 30);
      expect(await reported()).toHaveLength(1);
      await calls.spend(key, 15);
      expect((await reported()).slice(1)).toEqual([[100, '0.0001', '0']]);
    });

    test('a limit that was changed is another one', async () => {
      const key = await calls.minted('AAAAAAAA', { budgets: [budget(100)] });
      await calls.spend(key, 100);
      const raised = { ...key, budgets: [budget(200)], revision: 2 };
      expect(await subject.keyring.replace({ record: raised, expected: 1, fact: { kind: 'key.changed' }, by: { via: 'cli' } })).toBe(true);
      await calls.spend(raised, 1);
      await calls.spend(raised, 60);
      expect((await calls.thresholds()).map(({ threshold, limit, spent }) => [threshold, limit, spent])).toEqual([
        [100, '0.0001', '0.0001'],
        [50, '0.0002', '0.000101'],
        [80, '0.0002', '0.000161'],
      ]);
    });

    test('resends and second settles report nothing more', async () => {
      const key = await calls.minted('AAAAAAAA', { budgets: [budget(10)], caps: [cap(1)] });
      await calls.admit(key, 10, { reservationId: 'one' });
      await calls.admit(key, 10, { reservationId: 'one' });
      await calls.settle(key, 'one', 10);
      await calls.settle(key, 'one', 10);
      await calls.admit(key, 10, { reservationId: 'two' });
      await calls.admit(key, 10, { reservationId: 'two' });
      expect((await calls.thresholds()).map(({ threshold, limitName }) => [threshold, limitName])).toEqual([
        [100, 'key:AAAAAAAA cap total'],
        [100, 'key:AAAAAAAA budget total'],
      ]);
    });

    test('64 calls at once report each threshold once', async () => {
      const key = await calls.minted('AAAAAAAA', { budgets: [budget(640)], caps: [cap(64)] });
      await Promise.all(Array.from({ length: 64 }, () => calls.admit(key, 10)));
      await Promise.all(Array.from({ length: 64 }, (_, n) => calls.settle(key, `r${n + 1}`, 10)));
      const told = (await calls.thresholds()).map(({ threshold, limitName }) => `${limitName} ${threshold}`);
      expect(told.sort()).toEqual(
        ['budget total 100', 'budget total 50', 'budget total 80', 'cap total 100', 'cap total 50', 'cap total 80'].map(
          (each) => `key:AAAAAAAA ${each}`,
        ),
      );
    });

    test('the largest amounts are compared exactly', async () => {
      const most = 1e15;
      const key = await calls.minted('AAAAAAAA', { budgets: [budget(most)] });
      await calls.spend(key, most / 2 - 1);
      expect(await reported()).toEqual([]);
      await calls.spend(key, 1);
      expect(await calls.thresholds()).toMatchObject([{ threshold: 50, spent: '500000000', limit: '1000000000' }]);
      expect(await subject.ledger.preview({ key, ancestors: [], counts: true, price: micros(most / 2 + 1), now: start })).toMatchObject({
        spent: most / 2,
      });
    });
  });
}
