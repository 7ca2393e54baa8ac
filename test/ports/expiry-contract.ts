import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { budget, type Calls, callsOn, cap } from './calls.ts';
import { chargesOf, hour, minute, type OpenSubject, recordsOf, type Subject } from './subject.ts';

/** What every ledger must do about holds whose expiry charges nothing: what comes late never makes a total pass a limit (I2). */
export function expiryContract(name: string, open: OpenSubject): void {
  describe(`ledger contract, expiry that charges nothing: ${name}`, () => {
    let subject: Subject;
    let calls: Calls;
    beforeEach(async () => {
      subject = await open();
      calls = callsOn(subject);
    });
    afterEach(() => subject.close());

    const none = { onExpiry: 'none' } as const;
    const total = (amount: number, limit = 100) => ({ name: 'rule amount', amount, limit, per: 'total', zone: 'UTC' }) as const;
    const totalName = 'key:AAAAAAAA total rule amount total';
    /** All that is held by now expires. */
    const expire = async () => {
      subject.clock.step(2 * minute);
      return subject.ledger.sweep({ now: subject.clock.now() });
    };

    test('the hold is given back, calls stay counted, shares stay spent, and the outcome says so', async () => {
      await calls.funded('acme', 100);
      const key = await calls.minted('AAAAAAAA', { accountId: 'acme', budgets: [budget(100)], caps: [cap(5)] });
      await calls.admit(key, 30, { ...none, totals: [total(40)] });
      expect(await expire()).toBe(1);
      expect(await calls.usage(key)).toEqual({
        'key:AAAAAAAA cap total': [1, 0],
        'key:AAAAAAAA budget total': [0, 0],
        [totalName]: [40, 0],
        'account:acme balance': [0, 0],
      });
      expect(await subject.ledger.account('acme')).toMatchObject({ balance: 100, held: 0 });
      expect(await calls.last('r1')).toMatchObject({
        kind: 'call.outcome',
        status: 'hold-expired',
        ending: 'lost',
        charged: '0',
        keyId: 'AAAAAAAA',
      });
      expect(await calls.admit(key, 30, { reservationId: 'r1' })).toEqual({ kind: 'admitted', reservationId: 'r1' });
    });

    test('stated in full, an expiry charges the whole price as ever', async () => {
      const key = await calls.minted('AAAAAAAA', { budgets: [budget(100)] });
      await calls.admit(key, 30, { onExpiry: 'full' });
      await expire();
      expect(await calls.usage(key)).toEqual({ 'key:AAAAAAAA budget total': [30, 0] });
    });

    test('a late settle charges what there is room for, once, and says that it corrects', async () => {
      await calls.funded('acme', 100);
      const key = await calls.minted('AAAAAAAA', { accountId: 'acme', budgets: [budget(100)] });
      await calls.admit(key, 30, { ...none, totals: [total(40)] });
      await expire();
      await expect(calls.settle(key, 'r1', 31)).rejects.toThrow('within the hold');
      await calls.settle(key, 'r1', 20);
      await calls.settle(key, 'r1', 30);
      expect(await calls.last('r1')).toMatchObject({ kind: 'call.outcome', charged: '0.00002', corrected: true });
      expect(await calls.usage(key)).toMatchObject({ 'key:AAAAAAAA budget total': [20, 0], [totalName]: [40, 0] });
      expect(await subject.ledger.account('acme')).toMatchObject({ balance: 80, held: 0 });
      expect(chargesOf(await recordsOf(subject.journal))).toEqual(new Map([['r1', 20]]));
    });

    test('a call that turns out not to have been sent stays uncharged', async () => {
      const key = await calls.minted('AAAAAAAA', { budgets: [budget(100)] });
      await calls.admit(key, 30, { ...none, totals: [total(40)] });
      await expire();
      await calls.settle(key, 'r1', 0, { released: true });
      expect(await calls.usage(key)).toEqual({ 'key:AAAAAAAA budget total': [0, 0], [totalName]: [0, 0] });
      expect(await calls.last('r1')).toMatchObject({ charged: '0', corrected: true });
    });

    test('what others took meanwhile is theirs: a budget is not passed', async () => {
      const key = await calls.minted('AAAAAAAA', { budgets: [budget(100), budget(200)] });
      await calls.admit(key, 60, none);
      await expire();
      await calls.admit(key, 50);
      await calls.spend(key, 20);
      await calls.settle(key, 'r1', 60);
      expect(await calls.last('r1')).toMatchObject({ charged: '0.00003', corrected: true });
      expect(await calls.usage(key)).toEqual({ 'key:AAAAAAAA budget total': [50, 50] });
      expect((await calls.admit(key, 1)).kind).toBe('limited');
    });

    test('nor is a budget of an ancestor, of an account or of the tool, nor the balance: the tightest decides for all', async () => {
      const limits = [
        ['ancestor', { top: [budget(100)] }],
        ['account', { account: [budget(100)] }],
        ['tool', { leaf: [budget(100, 'total', { tool: 'get_page' })] }],
        ['balance', { balance: 100 }],
      ] as const;
      for (const [what, { top: topBudgets = [], account = [], leaf: leafBudgets = [], balance = 1000 }] of limits.map(
        ([each, some]) => [each, some as { top?: []; account?: []; leaf?: []; balance?: number }] as const,
      )) {
        await calls.funded(what, balance, { budgets: account });
        const top = await calls.minted(`TOP-${what}`, { accountId: what, budgets: topBudgets });
        const leaf = await calls.minted(`LEAF-${what}`, { accountId: what, parentIds: [top.id], budgets: [...leafBudgets, budget(500)] });
        const admitted = await calls.admit(leaf, 60, { ...none, ancestors: [top] });
        if (admitted.kind !== 'admitted') return expect.unreachable();
        await expire();
        expect((await calls.admit(leaf, 75, { ancestors: [top] })).kind).toBe('admitted');
        await calls.settle(leaf, admitted.reservationId, 60);
        expect(await calls.last(admitted.reservationId)).toMatchObject({ charged: '0.000025' });
        const usage = await calls.usage(leaf, [top]);
        expect(usage).toMatchObject({ [`key:LEAF-${what} budget total`]: [25, 75] });
        expect(await subject.ledger.account(what)).toMatchObject({ balance: balance - 25, held: 75 });
        await expire();
      }
    });

    test('soft limits do not stand in the way', async () => {
      const key = await calls.minted('AAAAAAAA', { budgets: [budget(10, 'total', { soft: true })] });
      await calls.admit(key, 60, none);
      await expire();
      await calls.settle(key, 'r1', 60);
      expect(await calls.usage(key)).toEqual({ 'key:AAAAAAAA budget total': [60, 0] });
    });

    test('shares of totals are spent, whatever the charge: the upstream may have done what was asked', async () => {
      const key = await calls.minted('AAAAAAAA');
      await calls.admit(key, 0, { ...none, totals: [total(60)] });
      await expire();
      expect((await calls.admit(key, 0, { totals: [total(75)] })).kind).toBe('limited');
      await calls.settle(key, 'r1', 0);
      expect(await calls.usage(key)).toEqual({ [totalName]: [60, 0] });
    });

    test('a charge that comes late belongs to the window of its admit, as long as that is known', async () => {
      const key = await calls.minted('AAAAAAAA', { budgets: [budget(100, 'minute'), budget(1000)] });
      await calls.admit(key, 30, none);
      await calls.admit(key, 30, none);
      await expire();
      await calls.admit(key, 40);
      await calls.settle(key, 'r1', 30);
      expect(await calls.usage(key)).toEqual({ 'key:AAAAAAAA budget minute': [0, 40], 'key:AAAAAAAA budget total': [30, 40] });
      for (let n = 0; n < 6; n += 1) {
        subject.clock.step(minute);
        await calls.spend(key, 1);
      }
      // Nobody can tell any more what was spent in that minute, so nothing is added to it, nor anywhere else.
      await calls.settle(key, 'r2', 30);
      expect(await calls.last('r2')).toMatchObject({ charged: '0', corrected: true });
      expect(await calls.usage(key)).toMatchObject({ 'key:AAAAAAAA budget total': [36, 40] });
    });

    test('a settle before the sweep is an ordinary one', async () => {
      const key = await calls.minted('AAAAAAAA', { budgets: [budget(100)] });
      await calls.admit(key, 30, none);
      subject.clock.step(hour);
      await calls.settle(key, 'r1', 30);
      expect(await calls.usage(key)).toEqual({ 'key:AAAAAAAA budget total': [30, 0] });
      expect(await calls.last('r1')).not.toHaveProperty('corrected');
    });

    test('a late charge reports the thresholds that it reaches', async () => {
      const key = await calls.minted('AAAAAAAA', { budgets: [budget(100)] });
      await calls.admit(key, 60, none);
      await expire();
      expect(await calls.thresholds()).toEqual([]);
      await calls.settle(key, 'r1', 60);
      expect(await calls.thresholds()).toMatchObject([{ threshold: 50, spent: '0.00006' }]);
    });

    test('of 16 late settles at once one counts, and many calls at once never pass the budget', async () => {
      const key = await calls.minted('AAAAAAAA', { budgets: [budget(100)] });
      await calls.admit(key, 60, none);
      await calls.admit(key, 30, none);
      await expire();
      await Promise.all([
        ...Array.from({ length: 16 }, () => calls.settle(key, 'r1', 60)),
        ...Array.from({ length: 16 }, () => calls.admit(key, 7)),
        ...Array.from({ length: 16 }, () => calls.settle(key, 'r2', 30)),
      ]);
      const [spent = 0, held = 0] = (await calls.usage(key))['key:AAAAAAAA budget total'] ?? [];
      expect(spent + held).toBeLessThanOrEqual(100);
      expect(spent + held).toBeGreaterThan(93);
      const charges = [...chargesOf(await recordsOf(subject.journal)).values()];
      expect(charges.reduce((sum, charge) => sum + charge, 0)).toBe(spent);
    });
  });
}
