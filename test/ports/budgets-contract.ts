import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LedgerConflict } from '../../src/ports/ledger.ts';
import { budget, type Calls, callsOn, cap } from './calls.ts';
import { expiryContract } from './expiry-contract.ts';
import { countOf, day, micros, minute, type OpenSubject, recordsOf, type Subject, start } from './subject.ts';
import { thresholdsContract } from './thresholds-contract.ts';

const by = { kind: 'account.created', via: 'api' } as const;

/** What every ledger must do about budgets in full: for single tools, soft ones, those of accounts, corrections, thresholds, expiry. */
export function budgetsContract(name: string, open: OpenSubject): void {
  describe(`ledger contract, budgets: ${name}`, () => {
    let subject: Subject;
    let calls: Calls;
    beforeEach(async () => {
      subject = await open();
      calls = callsOn(subject);
    });
    afterEach(() => subject.close());

    describe('of single tools', () => {
      test('count only the calls of the tools that they name', async () => {
        const budgets = [budget(50, 'day', { tool: 'get_*' }), budget(30, 'day', { tool: 'get_page' }), budget(100, 'day')];
        const key = await calls.minted('AAAAAAAA', { budgets });
        const refusedBy = async (tool: string | undefined, price: number) => {
          const answer = await calls.admit(key, price, tool === undefined ? { tool: undefined as never } : { tool });
          return answer.kind === 'limited' ? answer.breach.limitName : answer.kind;
        };
        expect(await refusedBy('get_page', 31)).toBe('key:AAAAAAAA budget day get_page');
        expect(await refusedBy('get_page', 30)).toBe('admitted');
        expect(await refusedBy('get_pages', 21)).toBe('key:AAAAAAAA budget day get_*');
        expect(await refusedBy('get_pages', 20)).toBe('admitted');
        expect(await refusedBy('put', 50)).toBe('admitted');
        expect(await refusedBy(undefined, 1)).toBe('key:AAAAAAAA budget day');
        expect(await refusedBy('get_page', 0)).toBe('admitted');
        expect(await calls.usage(key)).toEqual({
          'key:AAAAAAAA budget day get_*': [0, 50],
          'key:AAAAAAAA budget day get_page': [0, 30],
          'key:AAAAAAAA budget day': [0, 100],
        });
        await calls.settle(key, 'r2', 10);
        expect(await calls.usage(key)).toEqual({
          'key:AAAAAAAA budget day get_*': [10, 20],
          'key:AAAAAAAA budget day get_page': [10, 0],
          'key:AAAAAAAA budget day': [10, 70],
        });
      });

      test.each(['__proto__', 'constructor', 'a|0|s', 'total x day', ' ', '"', 'ü😀', '{p1}', '%s', '\u0000'])(
        'a tool may be called %j',
        async (tool) => {
          const key = await calls.minted('AAAAAAAA', { budgets: [budget(10, 'day', { tool })], caps: [cap(2, 'day', { tool })] });
          await calls.spend(key, 10, { tool });
          expect(await calls.admit(key, 1, { tool })).toMatchObject({ kind: 'limited', breach: { spent: 10 } });
          expect((await calls.admit(key, 0, { tool })).kind).toBe('admitted');
          expect(await calls.admit(key, 0, { tool })).toMatchObject({ kind: 'limited', breach: { reason: 'CAP_EXCEEDED' } });
          expect((await calls.admit(key, 99, { tool: 'other' })).kind).toBe('admitted');
          expect(await calls.usage(key)).toMatchObject({ [`key:AAAAAAAA budget day ${tool}`]: [10, 0] });
        },
      );
    });

    test('A33: 100 calls around the edge of a window pass no more than the limit in each, whenever they are settled', async () => {
      const key = await calls.minted('AAAAAAAA', { budgets: [budget(50, 'minute')], caps: [cap(30, 'hour')] });
      const edge = Math.ceil(start / minute) * minute + minute;
      subject.clock.step(edge - 50 - subject.clock.now());
      const passed = { before: 0, after: 0 };
      const running: string[] = [];
      for (let at = 0; at < 100; at += 1) {
        const window = subject.clock.now() < edge ? 'before' : 'after';
        const answer = await calls.admit(key, 5);
        if (answer.kind === 'admitted') {
          passed[window] += 1;
          running.push(answer.reservationId);
        }
        subject.clock.step(1);
      }
      expect(passed).toEqual({ before: 10, after: 10 });
      // What was taken before the edge is settled after it, and makes no room where it never stood.
      for (const id of running) await calls.settle(key, id, 0);
      let more = 0;
      while ((await calls.admit(key, 5)).kind === 'admitted') more += 1;
      // Ten by the budget, whose window is as if nothing had been spent, and ten by the cap, which counts calls.
      expect(more).toBe(10);
      subject.clock.step(minute);
      expect(await calls.admit(key, 5)).toMatchObject({ kind: 'limited', breach: { reason: 'CAP_EXCEEDED', spent: 30 } });
    });

    test('A33: hold after a clock was ahead for some windows', async () => {
      const key = await calls.minted('AAAAAAAA', { budgets: [budget(10, 'minute')], caps: [cap(2, 'minute')] });
      subject.clock.step(60 * minute);
      for (let at = 0; at < 3; at += 1) {
        await calls.spend(key, 1);
        subject.clock.step(minute);
      }
      subject.clock.step(-63 * minute);
      await calls.spend(key, 6);
      expect(await calls.admit(key, 6)).toMatchObject({ kind: 'limited', breach: { spent: 6 } });
      await calls.spend(key, 4);
      expect(await calls.admit(key, 0)).toMatchObject({ kind: 'limited', breach: { reason: 'CAP_EXCEEDED', spent: 2 } });
    });

    describe('that are soft', () => {
      test('refuse nothing; the answer and the intent name those that the call goes beyond', async () => {
        const key = await calls.minted('AAAAAAAA', {
          budgets: [budget(100, 'day', { soft: true })],
          caps: [cap(2, 'day', { soft: true })],
        });
        expect(await calls.admit(key, 60)).toEqual({ kind: 'admitted', reservationId: 'r1' });
        expect(await calls.admit(key, 40)).toEqual({ kind: 'admitted', reservationId: 'r2' });
        const over = ['key:AAAAAAAA cap day', 'key:AAAAAAAA budget day'];
        expect(await calls.admit(key, 1)).toEqual({ kind: 'admitted', reservationId: 'r3', over });
        expect(await calls.last('r1')).not.toHaveProperty('over');
        expect(await calls.last('r3')).toMatchObject({ kind: 'call.intent', decision: 'allowed', over });
        expect(await calls.admit(key, 1, { reservationId: 'r3' })).toEqual({ kind: 'admitted', reservationId: 'r3' });
        expect(await calls.admit(key, 0)).toMatchObject({ over: ['key:AAAAAAAA cap day'] });
        expect(await subject.ledger.usage({ key, ancestors: [], now: start })).toEqual([
          { ...{ limitName: over[0], unit: 'calls', limit: 2, spent: 4, held: 0, soft: true }, resetAt: start + day / 2 },
          { ...{ limitName: over[1], unit: 'micros', limit: 100, spent: 0, held: 101, soft: true }, resetAt: start + day / 2 },
        ]);
        await calls.settle(key, 'r3', 1);
        expect(await calls.usage(key)).toMatchObject({ 'key:AAAAAAAA budget day': [1, 100] });
      });

      test('stand beside hard ones that count the same', async () => {
        const key = await calls.minted('AAAAAAAA', { budgets: [budget(50, 'day', { soft: true }), budget(100, 'day')] });
        expect(await calls.admit(key, 60)).toMatchObject({ kind: 'admitted', over: ['key:AAAAAAAA budget day'] });
        expect(await calls.admit(key, 41)).toMatchObject({ kind: 'limited', breach: { limit: 100, held: 60 } });
        expect(await calls.last('r2')).not.toHaveProperty('over');
        expect((await calls.admit(key, 40)).kind).toBe('admitted');
        const lines = await subject.ledger.usage({ key, ancestors: [], now: start });
        expect(lines.map(({ limit, held, soft }) => [limit, held, soft])).toEqual([
          [50, 100, true],
          [100, 100, undefined],
        ]);
      });

      test('A32: count exactly as far as numbers go; beyond that a call is a fault that writes nothing', async () => {
        const most = 1e15;
        const key = await calls.minted('AAAAAAAA', { budgets: [budget(1, 'total', { soft: true })] });
        for (let n = 0; n < 9; n += 1) await calls.spend(key, most);
        const count = await countOf(subject.journal);
        await expect(calls.admit(key, most)).rejects.toThrow();
        expect(await countOf(subject.journal)).toBe(count);
        await calls.spend(key, 1);
        expect(await calls.usage(key)).toEqual({ 'key:AAAAAAAA budget total': [9 * most + 1, 0] });
      });

      test('of ancestors and accounts warn too, in the order in which limits are judged; a preview is not refused by them', async () => {
        const soft = { soft: true } as const;
        await calls.funded('acme', 1000, { budgets: [budget(0, 'day', soft)], caps: [cap(0, 'day', soft)] });
        const top = await calls.minted('TOP00000', { accountId: 'acme', budgets: [budget(5, 'day', soft)] });
        const leaf = await calls.minted('LEAF0000', { accountId: 'acme', parentIds: ['TOP00000'], budgets: [budget(4, 'hour', soft)] });
        const call = { key: leaf, ancestors: [top], counts: true, price: micros(6), now: start };
        expect(await subject.ledger.preview(call)).toBeUndefined();
        expect(await calls.admit(leaf, 6, { ancestors: [top] })).toMatchObject({
          over: ['key:LEAF0000 budget hour', 'key:TOP00000 budget day', 'account:acme cap day', 'account:acme budget day'],
        });
      });
    });

    describe('of accounts', () => {
      test('hold for all live keys together, beside the balance; test keys spend test money', async () => {
        await calls.funded('acme', 1000, { budgets: [budget(100, 'day')], caps: [cap(3, 'hour', { tool: 'get_*' })] });
        const one = await calls.minted('ONE00000', { accountId: 'acme', budgets: [budget(90, 'day')] });
        const two = await calls.minted('TWO00000', { accountId: 'acme' });
        const sandbox = await calls.minted('TEST0000', { accountId: 'acme', environment: 'test' });
        await calls.spend(one, 60, { tool: 'get_a' });
        await calls.admit(two, 30, { tool: 'put' });
        const breach = {
          ...{ reason: 'BUDGET_EXHAUSTED', limitName: 'account:acme budget day', unit: 'micros' },
          ...{ limit: 100, spent: 60, held: 30, resetAt: start + day / 2 },
        };
        expect(await calls.admit(two, 11)).toEqual({ kind: 'limited', breach });
        expect(await calls.last('r3')).toMatchObject({ kind: 'call.refused', reason: 'BUDGET_EXHAUSTED', limitName: breach.limitName });
        const call = { key: two, ancestors: [], counts: true, tool: 'put', now: start };
        expect(await subject.ledger.preview({ ...call, price: micros(11) })).toEqual(breach);
        for (let n = 0; n < 4; n += 1) expect((await calls.admit(sandbox, 1000, { tool: 'get_a' })).kind).toBe('admitted');
        await calls.admit(one, 0, { tool: 'get_b' });
        await calls.admit(two, 0, { tool: 'get_c' });
        expect(await calls.admit(two, 0, { tool: 'get_c' })).toMatchObject({
          breach: { limitName: 'account:acme cap hour get_*', spent: 3 },
        });
        expect((await calls.admit(two, 10)).kind).toBe('limited');
        expect((await calls.admit(two, 10, { tool: 'put' })).kind).toBe('admitted');
        const lines = await subject.ledger.usage({ key: one, ancestors: [], now: start });
        expect(lines.map(({ limitName, spent, held }) => [limitName, spent, held])).toEqual([
          ['key:ONE00000 budget day', 60, 0],
          ['account:acme cap hour get_*', 3, 0],
          ['account:acme budget day', 60, 40],
          ['account:acme balance', 0, 40],
        ]);
      });

      test('are judged after those of the key and its ancestors, and before totals and the balance', async () => {
        await calls.funded('acme', 10, { budgets: [budget(20)] });
        const top = await calls.minted('TOP00000', { accountId: 'acme', budgets: [budget(30)] });
        const leaf = await calls.minted('LEAF0000', { accountId: 'acme', parentIds: ['TOP00000'], budgets: [budget(40)] });
        const total = { name: 'rule amount', amount: 16, limit: 15, per: 'day', zone: 'UTC' } as const;
        const refusedBy = async (price: number, totals: readonly (typeof total)[] = []) => {
          const answer = await calls.admit(leaf, price, { ancestors: [top], totals });
          return answer.kind === 'limited' ? answer.breach.limitName : answer.kind;
        };
        expect(await refusedBy(41, [total])).toBe('key:LEAF0000 budget total');
        expect(await refusedBy(31, [total])).toBe('key:TOP00000 budget total');
        expect(await refusedBy(21, [total])).toBe('account:acme budget total');
        expect(await refusedBy(11, [total])).toBe('key:TOP00000 total rule amount day');
        expect(await refusedBy(11)).toBe('account:acme balance');
        expect(await refusedBy(10)).toBe('admitted');
      });

      test('64 calls of two keys at once at an account budget for 20: exactly 20 pass', async () => {
        await calls.funded('acme', 10_000, { budgets: [budget(200)] });
        const keys = [
          await calls.minted('ONE00000', { accountId: 'acme' }),
          await calls.minted('TWO00000', { accountId: 'acme' }),
        ] as const;
        const answers = await Promise.all(Array.from({ length: 64 }, (_, n) => calls.admit(keys[n % 2] ?? keys[0], 10)));
        expect(answers.filter(({ kind }) => kind === 'admitted')).toHaveLength(20);
        expect(await calls.usage(keys[0])).toEqual({ 'account:acme budget total': [0, 200], 'account:acme balance': [0, 200] });
      });

      test('change for the next call, each list for itself, and with a revision of their own', async () => {
        const first = await subject.ledger.createAccount({ id: 'acme', budgets: [budget(10)], now: start, by });
        expect(first).toMatchObject({ budgets: [budget(10)], caps: [], revision: 1, balance: 0, held: 0 });
        await subject.ledger.credit({ accountId: 'acme', amount: micros(500), reference: 'x', now: start, by });
        const key = await calls.minted('AAAAAAAA', { accountId: 'acme' });
        expect((await calls.admit(key, 11)).kind).toBe('limited');
        const limit = (limits: object) => subject.ledger.limitAccount({ id: 'acme', ...limits, now: start, by });
        const raised = { id: 'acme', balance: 500, held: 0, createdAt: start, budgets: [budget(20)], caps: [], revision: 2 };
        expect(await limit({ budgets: [budget(20)] })).toEqual(raised);
        expect(await subject.ledger.account('acme')).toEqual(raised);
        expect((await calls.admit(key, 11)).kind).toBe('admitted');
        expect(await limit({ caps: [cap(1)] })).toEqual({ ...raised, held: 11, caps: [cap(1)], revision: 3 });
        expect((await calls.admit(key, 0)).kind).toBe('admitted');
        expect(await calls.admit(key, 0)).toMatchObject({ breach: { limitName: 'account:acme cap total' } });
        expect(await limit({ budgets: [], caps: [] })).toMatchObject({ budgets: [], caps: [], revision: 4 });
        expect((await calls.admit(key, 400)).kind).toBe('admitted');
        const records = (await recordsOf(subject.journal)).filter(({ kind }) => kind === 'account.limited');
        expect(records).toHaveLength(3);
        expect(records[0]).toMatchObject({ account: 'acme', via: 'api', time: new Date(start).toISOString() });
      });

      test('an account that does not exist has no limits to change, and nothing is written', async () => {
        expect(await subject.ledger.limitAccount({ id: 'nobody', caps: [], now: start, by })).toBeUndefined();
        expect(await countOf(subject.journal)).toBe(0);
      });
    });

    describe('adjust', () => {
      const adjust = (amount: number, reference: string, accountId = 'acme') =>
        subject.ledger.adjust({ accountId, amount, reference, now: start, by });

      test('moves a balance up or down, on record with what it is then', async () => {
        await calls.funded('acme', 100);
        expect(await adjust(-30, 'down')).toMatchObject({ replayed: false, account: { id: 'acme', balance: 70 } });
        expect(await adjust(5, 'up')).toMatchObject({ account: { balance: 75 } });
        const adjusted = (await recordsOf(subject.journal)).filter(({ kind }) => kind === 'account.adjusted');
        expect(adjusted).toMatchObject([
          { account: 'acme', amount: '-0.00003', reference: 'down', balance: '0.00007', via: 'api' },
          { account: 'acme', amount: '0.000005', reference: 'up', balance: '0.000075' },
        ]);
      });

      test('counts once per reference, which credits share, also when sent 16 times at once', async () => {
        await calls.funded('acme', 100);
        const answers = await Promise.all(Array.from({ length: 16 }, () => adjust(-7, 'one')));
        expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
        await expect(adjust(-8, 'one')).rejects.toThrow(LedgerConflict);
        await expect(adjust(7, 'one')).rejects.toThrow(LedgerConflict);
        expect(await adjust(100, 'first')).toMatchObject({ replayed: true });
        const credit = subject.ledger.credit({ accountId: 'acme', amount: micros(7), reference: 'one', now: start, by });
        await expect(credit).rejects.toThrow(LedgerConflict);
        expect(await subject.ledger.account('acme')).toMatchObject({ balance: 93 });
      });

      test('takes no more than running calls leave, nor passes the largest balance', async () => {
        await calls.funded('acme', 100);
        const key = await calls.minted('AAAAAAAA', { accountId: 'acme' });
        await calls.admit(key, 60);
        await expect(adjust(-41, 'one')).rejects.toThrow(LedgerConflict);
        expect(await adjust(-40, 'one')).toMatchObject({ account: { balance: 60, held: 60 } });
        await expect(adjust(-1, 'two')).rejects.toThrow(LedgerConflict);
        await calls.settle(key, 'r1', 20);
        expect(await adjust(-40, 'two')).toMatchObject({ account: { balance: 0, held: 0 } });
        await adjust(1e15, 'three');
        await expect(adjust(1, 'four')).rejects.toThrow(LedgerConflict);
      });

      test.each([0, 0.5, Number.NaN, 2e15, -2e15, Number.NEGATIVE_INFINITY])(
        '%s is no amount: a fault that writes nothing',
        async (amount) => {
          await calls.funded('acme', 100);
          const count = await countOf(subject.journal);
          await expect(adjust(amount, 'one')).rejects.toThrow();
          await expect(adjust(-1, '')).rejects.toThrow('reference');
          await expect(adjust(-1, 'one', 'nobody')).rejects.toThrow('nobody');
          expect(await subject.ledger.account('acme')).toMatchObject({ balance: 100 });
          expect(await countOf(subject.journal)).toBe(count);
        },
      );
    });
  });
  thresholdsContract(name, open);
  expiryContract(name, open);
}
