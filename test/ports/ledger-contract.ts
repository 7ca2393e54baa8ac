import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { KeyRecord } from '../../src/domain/key.ts';
import { rootOf } from '../../src/domain/key.ts';
import { type AdmitResult, LedgerConflict } from '../../src/ports/ledger.ts';
import {
  admitRequest,
  chargesOf,
  countOf,
  day,
  hour,
  micros,
  minute,
  type OpenSubject,
  outcomeFacts,
  recordsAbout,
  recordsOf,
  type Subject,
  start,
  testKey,
} from './subject.ts';

const by = { via: 'cli' } as const;
const facts = { kind: 'account.created' } as const;
const total = (amount: number) => ({ amount: micros(amount), per: 'total', zone: 'UTC' }) as const;
const perDay = (amount: number) => ({ amount: micros(amount), per: 'day', zone: 'UTC' }) as const;

/** What every ledger must do, whatever it is stored in. Limits are never passed, and every answer stands in the journal. */
export function ledgerContract(name: string, open: OpenSubject): void {
  describe(`ledger contract: ${name}`, () => {
    let subject: Subject;
    let counter = 0;
    beforeEach(async () => {
      subject = await open();
      counter = 0;
    });
    afterEach(() => subject.close());

    const minted = async (id: string, changes: Partial<KeyRecord> = {}): Promise<KeyRecord> => {
      const key = testKey(id, changes);
      await subject.keyring.insert(key, by);
      return key;
    };
    const funded = async (id: string, amount: number): Promise<void> => {
      await subject.ledger.createAccount({ id, now: start, by: facts });
      if (amount > 0) await subject.ledger.credit({ accountId: id, amount: micros(amount), reference: 'first', now: start, by: facts });
    };
    const admit = (key: KeyRecord, price = 0, changes: Partial<Parameters<typeof admitRequest>[1]> = {}): Promise<AdmitResult> => {
      counter += 1;
      return subject.ledger.admit(
        admitRequest(key, { reservationId: `r${counter}`, price: micros(price), now: subject.clock.now(), ...changes }),
      );
    };
    const settle = (key: KeyRecord, reservationId: string, charge = 0): Promise<void> =>
      subject.ledger.settle({
        ...{ root: rootOf(key), reservationId, charge: micros(charge), now: subject.clock.now() },
        outcome: { ...outcomeFacts, keyId: key.id },
      });
    const usage = async (key: KeyRecord, ancestors: readonly KeyRecord[] = []) =>
      (await subject.ledger.usage({ key, ancestors, now: subject.clock.now() })).map(({ spent, held }) => [spent, held]);
    /** The last record of a call of the key: thresholds that it reached are left out. */
    const last = async (keyId = 'AAAAAAAA') =>
      (await recordsAbout(subject.journal, keyId)).findLast(({ kind }) => kind !== 'limit.threshold');
    const kinds = async () => (await recordsOf(subject.journal)).map(({ kind }) => kind);

    describe('admit and settle', () => {
      test('a priced call holds its price, and its settle charges it and releases the rest', async () => {
        const key = await minted('AAAAAAAA', { budgets: [perDay(100)] });
        expect(await admit(key, 30)).toEqual({ kind: 'admitted', reservationId: 'r1' });
        expect(await last()).toMatchObject({
          kind: 'call.intent',
          decision: 'allowed',
          held: '0.00003',
          reservationId: 'r1',
          upstream: 'wiki',
        });
        expect(await usage(key)).toEqual([[0, 30]]);
        await settle(key, 'r1', 20);
        expect(await usage(key)).toEqual([[20, 0]]);
        expect(await last()).toMatchObject({ kind: 'call.outcome', charged: '0.00002', reservationId: 'r1', status: 200 });
      });

      test('requests that only are recorded take nothing, pass exhausted limits, and leave intent and outcome', async () => {
        const key = await minted('AAAAAAAA', { budgets: [perDay(0)], caps: [{ calls: 0, per: 'hour', zone: 'UTC' }], maxUses: 0 });
        expect(await admit(key, 0, { counts: false })).toMatchObject({ kind: 'admitted' });
        await settle(key, 'r1');
        await settle(key, 'r1');
        expect(await kinds()).toEqual(['key.minted', 'call.intent', 'call.outcome']);
        expect(await usage(key)).toEqual([
          [0, 0],
          [0, 0],
          [0, 0],
        ]);
      });

      test('an admit that is sent again answers as before and takes nothing', async () => {
        const key = await minted('AAAAAAAA', { budgets: [perDay(50)], caps: [{ calls: 1, per: 'day', zone: 'UTC' }] });
        const first = await admit(key, 50, { reservationId: 'one' });
        const count = () => countOf(subject.journal);
        const running = await count();
        expect(await admit(key, 50, { reservationId: 'one' })).toEqual(first);
        expect(await usage(key)).toEqual([
          [1, 0],
          [0, 50],
        ]);
        expect(await count()).toBe(running);
        await settle(key, 'one', 50);
        const settled = await count();
        expect(await admit(key, 50, { reservationId: 'one' })).toEqual(first);
        expect(await count()).toBe(settled);
        const refused = await admit(key, 50, { reservationId: 'two' });
        expect(refused.kind).toBe('limited');
        const after = await count();
        expect(await admit(key, 50, { reservationId: 'two' })).toEqual(refused);
        expect(await count()).toBe(after);
        expect(after).toBeGreaterThan(settled);
      });

      test('a second settle changes nothing; a charge above the hold and an unknown reservation are faults that write nothing', async () => {
        const key = await minted('AAAAAAAA', { budgets: [perDay(100)] });
        await admit(key, 10, { reservationId: 'one' });
        const count = await countOf(subject.journal);
        await expect(settle(key, 'one', 11)).rejects.toThrow('within the hold');
        await expect(settle(key, 'one', -1)).rejects.toThrow('within the hold');
        await expect(settle(key, 'one', 0.5)).rejects.toThrow('within the hold');
        await expect(settle(key, 'other', 0)).rejects.toThrow('other');
        expect(await countOf(subject.journal)).toBe(count);
        await settle(key, 'one', 10);
        await settle(key, 'one', 3);
        expect(await usage(key)).toEqual([[10, 0]]);
        expect((await kinds()).filter((kind) => kind === 'call.outcome')).toHaveLength(1);
      });

      test.each([
        ['a negative price', { price: micros(-1) }],
        ['a price that is no whole number', { price: micros(0.5) }],
        ['no finite time', { now: Number.NaN, holdUntil: start }],
        ['facts that are no JSON', { intent: { kind: 'call.intent', big: 1n } as const }],
        ['facts that name the chain', { intent: { kind: 'call.intent', seq: 7 } as const }],
        ['an empty reservation id', { reservationId: '' }],
      ])('%s is a fault that writes nothing', async (_what, changes) => {
        const key = await minted('AAAAAAAA', { budgets: [perDay(100)], maxUses: 5 });
        const count = await countOf(subject.journal);
        await expect(admit(key, 1, changes)).rejects.toThrow();
        expect(await countOf(subject.journal)).toBe(count);
        expect(await usage(key)).toEqual([
          [0, 0],
          [0, 0],
        ]);
        expect((await admit(key, 1, { reservationId: 'next' })).kind).toBe('admitted');
      });
    });

    describe('life of the key, checked in the commit (I3)', () => {
      test('unknown, revoked and expired keys are refused with the reason, on record', async () => {
        const stranger = testKey('STRANGER');
        expect(await admit(stranger)).toEqual({ kind: 'dead', reason: 'TOKEN_INVALID' });
        const revoked = await minted('REVOKED0');
        await subject.keyring.revoke('REVOKED0', { reason: 'x', at: start, by });
        expect(await admit(revoked)).toEqual({ kind: 'dead', reason: 'TOKEN_REVOKED' });
        const expired = await minted('EXPIRED0', { expiresAt: start + minute });
        expect((await admit(expired)).kind).toBe('admitted');
        subject.clock.step(minute);
        expect(await admit(expired)).toEqual({ kind: 'dead', reason: 'TOKEN_EXPIRED' });
        expect(await last('EXPIRED0')).toMatchObject({ kind: 'call.refused', decision: 'refused', reason: 'TOKEN_EXPIRED' });
        expect((await recordsOf(subject.journal)).filter(({ kind }) => kind === 'call.refused')).toHaveLength(3);
      });

      test('a dead ancestor stops all below it, even for requests that count nothing', async () => {
        const top = await minted('TOP00000', { expiresAt: start + hour });
        const middle = await minted('MIDDLE00', { parentIds: ['TOP00000'], expiresAt: start + minute });
        const leaf = await minted('LEAF0000', { parentIds: ['MIDDLE00', 'TOP00000'], expiresAt: start + minute });
        const ancestors = [middle, top];
        expect((await admit(leaf, 0, { ancestors })).kind).toBe('admitted');
        await subject.keyring.revoke('TOP00000', { reason: 'x', at: start, by });
        expect(await admit(leaf, 0, { ancestors, counts: false })).toEqual({ kind: 'dead', reason: 'TOKEN_REVOKED' });
        const leafOfRevoked = { ...leaf, revision: 9 };
        expect(await admit(leafOfRevoked, 0, { ancestors })).toEqual({ kind: 'dead', reason: 'TOKEN_REVOKED' });
      });

      test('a key that was judged in another revision, or without its ancestors, is stale and nothing is written', async () => {
        const top = await minted('TOP00000');
        const leaf = await minted('LEAF0000', { parentIds: ['TOP00000'] });
        const count = await countOf(subject.journal);
        expect(await admit({ ...leaf, revision: 2 }, 0, { ancestors: [top] })).toEqual({ kind: 'stale' });
        expect(await admit(leaf, 0, { ancestors: [{ ...top, revision: 2 }] })).toEqual({ kind: 'stale' });
        expect(await admit(leaf, 0, { ancestors: [], reservationId: 'again' })).toEqual({ kind: 'stale' });
        expect(await countOf(subject.journal)).toBe(count);
        expect(await admit(leaf, 0, { ancestors: [top], reservationId: 'again' })).toMatchObject({ kind: 'admitted' });
      });
    });

    describe('limits (I2)', () => {
      test('a budget refuses what would pass it, with what stands against it, and lets smaller and free calls pass', async () => {
        const key = await minted('AAAAAAAA', { budgets: [perDay(100)] });
        await admit(key, 60);
        await settle(key, 'r1', 50);
        await admit(key, 20);
        const breach = {
          reason: 'BUDGET_EXHAUSTED',
          limitName: 'key:AAAAAAAA budget day',
          unit: 'micros',
          limit: 100,
          spent: 50,
          held: 20,
          resetAt: start + day / 2,
        };
        expect(await admit(key, 31)).toEqual({ kind: 'limited', breach });
        expect(await last()).toMatchObject({
          kind: 'call.refused',
          decision: 'refused',
          reason: 'BUDGET_EXHAUSTED',
          limitName: 'key:AAAAAAAA budget day',
          limit: '0.0001',
          spent: '0.00005',
          held: '0.00002',
          resetAt: new Date(start + day / 2).toISOString(),
        });
        expect((await admit(key, 30)).kind).toBe('admitted');
        expect((await admit(key, 0)).kind).toBe('admitted');
        expect((await admit(key, 1)).kind).toBe('limited');
      });

      test('caps count calls, each only the tools that it names', async () => {
        const caps = [
          { calls: 2, per: 'hour', zone: 'UTC', tool: 'get_page' },
          { calls: 3, per: 'hour', zone: 'UTC', tool: 'get_*' },
          { calls: 5, per: 'hour', zone: 'UTC' },
        ] as const;
        const key = await minted('AAAAAAAA', { caps });
        const named = async (tool: string | undefined) => {
          const result = await admit(key, 0, tool === undefined ? { tool: undefined as never } : { tool });
          return result.kind === 'limited' ? result.breach.limitName : result.kind;
        };
        expect(await named('get_page')).toBe('admitted');
        expect(await named('get_page')).toBe('admitted');
        expect(await named('get_page')).toBe('key:AAAAAAAA cap hour get_page');
        expect(await named('get_pages')).toBe('admitted');
        expect(await named('get_')).toBe('key:AAAAAAAA cap hour get_*');
        expect(await named('write_page')).toBe('admitted');
        expect(await named(undefined)).toBe('admitted');
        expect(await named('write_page')).toBe('key:AAAAAAAA cap hour');
        expect(await last()).toMatchObject({ reason: 'CAP_EXCEEDED', limit: 5, spent: 5 });
        expect(await usage(key)).toEqual([
          [2, 0],
          [3, 0],
          [5, 0],
        ]);
      });

      test('max-uses counts every admitted call for ever and is not given back by a settle', async () => {
        const key = await minted('AAAAAAAA', { maxUses: 1 });
        await admit(key);
        await settle(key, 'r1');
        subject.clock.step(400 * day);
        const breach = { reason: 'CAP_EXCEEDED', limitName: 'key:AAAAAAAA uses', unit: 'calls', limit: 1, spent: 1, held: 0 };
        expect(await admit(key)).toEqual({ kind: 'limited', breach });
      });

      test('limits of every ancestor hold for all descendants together', async () => {
        const top = await minted('TOP00000', { budgets: [total(100)], maxUses: 3 });
        const one = await minted('ONE00000', { parentIds: ['TOP00000'], budgets: [total(80)] });
        const two = await minted('TWO00000', { parentIds: ['TOP00000'], budgets: [total(80)] });
        expect((await admit(one, 70, { ancestors: [top] })).kind).toBe('admitted');
        expect(await admit(two, 31, { ancestors: [top] })).toMatchObject({
          kind: 'limited',
          breach: { limitName: 'key:TOP00000 budget total', held: 70 },
        });
        expect(await usage(two)).toEqual([[0, 0]]);
        expect((await admit(two, 30, { ancestors: [top] })).kind).toBe('admitted');
        expect((await admit(top, 0)).kind).toBe('admitted');
        expect(await admit(one, 0, { ancestors: [top] })).toMatchObject({ kind: 'limited', breach: { limitName: 'key:TOP00000 uses' } });
        expect(await usage(one, [top])).toEqual([
          [0, 70],
          [3, 0],
          [0, 100],
        ]);
      });

      test('two limits that count the same thing count it once, and the tighter one refuses', async () => {
        const key = await minted('AAAAAAAA', {
          budgets: [perDay(100), perDay(50)],
          caps: [
            { calls: 9, per: 'day', zone: 'UTC' },
            { calls: 3, per: 'day', zone: 'UTC' },
          ],
        });
        await admit(key, 20);
        await admit(key, 20);
        expect(await admit(key, 20)).toMatchObject({ kind: 'limited', breach: { limit: 50, held: 40 } });
        expect(await usage(key)).toEqual([
          [2, 0],
          [2, 0],
          [0, 40],
          [0, 40],
        ]);
        await settle(key, 'r1', 20);
        expect(await usage(key)).toEqual([
          [2, 0],
          [2, 0],
          [20, 20],
          [20, 20],
        ]);
      });

      test('a new window begins empty, and a charge belongs to the window of its admit', async () => {
        const key = await minted('AAAAAAAA', { budgets: [perDay(100)] });
        await admit(key, 100);
        subject.clock.step(day);
        expect(await usage(key)).toEqual([[0, 0]]);
        expect((await admit(key, 100)).kind).toBe('admitted');
        await settle(key, 'r1', 100);
        expect(await usage(key)).toEqual([[0, 100]]);
        subject.clock.step(-day);
        expect(await usage(key)).toEqual([[100, 0]]);
        expect((await admit(key, 1)).kind).toBe('limited');
      });

      test('64 calls at once at a budget for 20: exactly 20 pass', async () => {
        const key = await minted('AAAAAAAA', { budgets: [total(200)] });
        const results = await Promise.all(Array.from({ length: 64 }, () => admit(key, 10)));
        expect(results.filter(({ kind }) => kind === 'admitted')).toHaveLength(20);
        expect(await usage(key)).toEqual([[0, 200]]);
        expect((await kinds()).filter((kind) => kind === 'call.refused')).toHaveLength(44);
      });
    });

    describe('preview', () => {
      test('says what admit would refuse by, and takes and writes nothing', async () => {
        await funded('acme', 70);
        const top = await minted('TOP00000', { accountId: 'acme', budgets: [total(60)] });
        const caps = [{ calls: 3, per: 'day', zone: 'UTC', tool: 'get_*' }] as const;
        const leaf = await minted('LEAF0000', { accountId: 'acme', parentIds: ['TOP00000'], budgets: [total(50)], caps });
        const totals = [{ name: 'rule amount', amount: 5, limit: 24, per: 'day', zone: 'UTC' }] as const;
        const calls = [
          [leaf, 50, 'put'],
          [leaf, 1, 'get_a'],
          [leaf, 0, 'get_a'],
          [top, 11, 'put'],
          [top, 10, 'put'],
          [leaf, 0, 'put'],
          [leaf, 0, 'put'],
          [top, 0, 'put'],
        ] as const;
        const refusedBy: (string | undefined)[] = [];
        for (const [key, price, tool] of calls) {
          counter += 1;
          const ancestors = key === leaf ? [top] : [];
          const request = admitRequest(key, { reservationId: `r${counter}`, price: micros(price), tool, ancestors, totals });
          const before = { count: await countOf(subject.journal), usage: await usage(leaf, [top]) };
          const breach = await subject.ledger.preview(request);
          expect(await subject.ledger.preview(request)).toEqual(breach);
          expect({ count: await countOf(subject.journal), usage: await usage(leaf, [top]) }).toEqual(before);
          const answer = await subject.ledger.admit(request);
          expect(answer).toEqual(breach ? { kind: 'limited', breach } : { kind: 'admitted', reservationId: `r${counter}` });
          refusedBy.push(breach?.limitName);
        }
        expect(refusedBy).toEqual([
          ...[undefined, 'key:LEAF0000 budget total', undefined, 'key:TOP00000 budget total', undefined, undefined],
          ...['key:TOP00000 total rule amount day', 'key:TOP00000 total rule amount day'],
        ]);
      });

      test('speaks of the account too, and of no limit for what is only recorded', async () => {
        await funded('acme', 5);
        const key = await minted('AAAAAAAA', { accountId: 'acme', maxUses: 0 });
        const call = { key, ancestors: [], counts: false, price: micros(0), now: start } as const;
        expect(await subject.ledger.preview(call)).toBeUndefined();
        expect(await subject.ledger.preview({ ...call, counts: true })).toMatchObject({ limitName: 'key:AAAAAAAA uses' });
        const rich = { ...key, maxUses: 1 };
        expect(await subject.ledger.preview({ ...call, key: rich, counts: true, price: micros(6) })).toEqual({
          ...{ reason: 'BALANCE_EXHAUSTED', limitName: 'account:acme balance', unit: 'micros', limit: 5, spent: 0, held: 0 },
        });
      });
    });

    describe('accounts', () => {
      test('a balance pays for live keys, together with what is held, and is charged at settle', async () => {
        await funded('acme', 100);
        const one = await minted('ONE00000', { accountId: 'acme' });
        const two = await minted('TWO00000', { accountId: 'acme' });
        await admit(one, 60);
        expect(await subject.ledger.account('acme')).toMatchObject({ balance: 100, held: 60 });
        expect(await admit(two, 50)).toEqual({
          kind: 'limited',
          breach: { reason: 'BALANCE_EXHAUSTED', limitName: 'account:acme balance', unit: 'micros', limit: 100, spent: 0, held: 60 },
        });
        await settle(one, 'r1', 40);
        expect(await subject.ledger.account('acme')).toMatchObject({ balance: 60, held: 0 });
        expect((await admit(two, 60)).kind).toBe('admitted');
        expect((await admit(two, 0)).kind).toBe('admitted');
        expect(await subject.ledger.usage({ key: one, ancestors: [], now: start })).toEqual([
          { limitName: 'account:acme balance', unit: 'micros', limit: 60, spent: 0, held: 60 },
        ]);
      });

      test('an account that does not exist covers nothing', async () => {
        const key = await minted('AAAAAAAA', { accountId: 'nobody' });
        expect(await admit(key, 1)).toMatchObject({ kind: 'limited', breach: { reason: 'BALANCE_EXHAUSTED', limit: 0 } });
        expect((await admit(key, 0)).kind).toBe('admitted');
      });

      test('test keys spend test money: budgets hold, balances stay', async () => {
        await funded('acme', 5);
        const key = await minted('AAAAAAAA', { accountId: 'acme', environment: 'test', budgets: [total(100)] });
        expect((await admit(key, 100)).kind).toBe('admitted');
        await settle(key, 'r1', 100);
        expect((await admit(key, 1)).kind).toBe('limited');
        expect(await subject.ledger.account('acme')).toMatchObject({ balance: 5, held: 0 });
        expect((await usage(key))[0]).toEqual([100, 0]);
      });

      test('accounts are created once, with an id of the known form', async () => {
        expect(await subject.ledger.createAccount({ id: 'a:b.c-1', now: start, by: facts })).toEqual({
          id: 'a:b.c-1',
          balance: 0,
          held: 0,
          createdAt: start,
          budgets: [],
          caps: [],
          revision: 1,
        });
        await expect(subject.ledger.createAccount({ id: 'a:b.c-1', now: start, by: facts })).rejects.toThrow(LedgerConflict);
        for (const id of ['', 'a b', 'a/b', 'x'.repeat(65), 'ä'])
          await expect(subject.ledger.createAccount({ id, now: start, by: facts })).rejects.toThrow();
        expect(await subject.ledger.account('nobody')).toBeUndefined();
        expect(await kinds()).toEqual(['account.created']);
      });

      test('a credit counts once per reference, also when sent 16 times at once', async () => {
        await funded('acme', 0);
        await funded('other', 0);
        const credit = (accountId: string, amount: number, reference: string) =>
          subject.ledger.credit({ accountId, amount: micros(amount), reference, now: start, by: facts });
        const results = await Promise.all(Array.from({ length: 16 }, () => credit('acme', 70, 'invoice 1')));
        expect(results.filter(({ replayed }) => !replayed)).toHaveLength(1);
        expect(await subject.ledger.account('acme')).toMatchObject({ balance: 70 });
        await expect(credit('acme', 71, 'invoice 1')).rejects.toThrow(LedgerConflict);
        await expect(credit('acme', 1e15, 'too much')).rejects.toThrow(LedgerConflict);
        expect((await credit('other', 71, 'invoice 1')).replayed).toBe(false);
        await credit('acme', 1, 'r'.repeat(5000));
        for (const amount of [0, -1, 0.5, 2e15]) await expect(credit('acme', amount, `bad ${amount}`)).rejects.toThrow();
        await expect(credit('nobody', 1, 'x')).rejects.toThrow('nobody');
        expect(await subject.ledger.account('acme')).toMatchObject({ balance: 71 });
        const credited = (await recordsOf(subject.journal)).filter(({ kind }) => kind === 'account.credited');
        const amounts = (id: string) => credited.filter(({ account }) => account === id).map(({ amount }) => amount);
        expect([amounts('acme'), amounts('other')]).toEqual([['0.00007', '0.000001'], ['0.000071']]);
      });
    });

    describe('holds that end without a settle', () => {
      test('an expired hold is captured in full, once', async () => {
        await funded('acme', 100);
        const key = await minted('AAAAAAAA', { accountId: 'acme', budgets: [total(100)] });
        await admit(key, 30, {
          tool: 'get_page',
          intent: { kind: 'call.intent', keyId: 'AAAAAAAA', org: 'o', tool: 'get_page', requestId: 'q' },
        });
        subject.clock.step(minute);
        expect(await subject.ledger.sweep({ now: subject.clock.now() })).toBe(0);
        subject.clock.step(minute);
        expect(await subject.ledger.sweep({ now: subject.clock.now() })).toBe(1);
        expect(await subject.ledger.sweep({ now: subject.clock.now() })).toBe(0);
        expect(await usage(key)).toEqual([
          [30, 0],
          [0, 0],
        ]);
        expect(await subject.ledger.account('acme')).toMatchObject({ balance: 70, held: 0 });
        expect(await last()).toMatchObject({
          kind: 'call.outcome',
          status: 'hold-expired',
          charged: '0.00003',
          reservationId: 'r1',
          keyId: 'AAAAAAAA',
          org: 'o',
          tool: 'get_page',
          requestId: 'q',
        });
        expect(await last()).not.toHaveProperty('decision');
      });

      test('a late settle gives the difference back, once, and says so', async () => {
        await funded('acme', 100);
        const key = await minted('AAAAAAAA', { accountId: 'acme', budgets: [total(100)] });
        await admit(key, 30);
        subject.clock.step(hour);
        await subject.ledger.sweep({ now: subject.clock.now() });
        await expect(settle(key, 'r1', 31)).rejects.toThrow();
        await settle(key, 'r1', 10);
        await settle(key, 'r1', 0);
        expect(await usage(key)).toEqual([
          [10, 0],
          [0, 0],
        ]);
        expect(await subject.ledger.account('acme')).toMatchObject({ balance: 90, held: 0 });
        expect(await last()).toMatchObject({ kind: 'call.outcome', charged: '0.00001', corrected: true });
        expect(chargesOf(await recordsOf(subject.journal))).toEqual(new Map([['r1', 10]]));
      });

      test('a correction belongs to the window of the admit and leaves later windows alone', async () => {
        const key = await minted('AAAAAAAA', { budgets: [{ amount: micros(100), per: 'minute', zone: 'UTC' }] });
        await admit(key, 30);
        subject.clock.step(2 * minute);
        await subject.ledger.sweep({ now: subject.clock.now() });
        await admit(key, 40);
        await settle(key, 'r1', 0);
        expect(await usage(key)).toEqual([[0, 40]]);
        for (let n = 0; n < 10; n += 1) {
          subject.clock.step(minute);
          await admit(key, 1, { holdUntil: subject.clock.now() + 1 });
        }
        subject.clock.step(minute);
        await subject.ledger.sweep({ now: subject.clock.now() });
        await settle(key, 'r3', 0);
        expect(await usage(key)).toEqual([[0, 0]]);
      });

      test('an unpriced call that never ended is recorded, charged nothing', async () => {
        const key = await minted('AAAAAAAA');
        await admit(key, 0, { counts: false });
        subject.clock.step(hour);
        expect(await subject.ledger.sweep({ now: subject.clock.now() })).toBe(1);
        expect(await last()).toMatchObject({ kind: 'call.outcome', status: 'hold-expired', charged: '0' });
      });

      test('a settle after expiry but before the sweep is an ordinary one', async () => {
        const key = await minted('AAAAAAAA', { budgets: [total(100)] });
        await admit(key, 30);
        subject.clock.step(hour);
        await settle(key, 'r1', 10);
        expect(await subject.ledger.sweep({ now: subject.clock.now() })).toBe(0);
        expect(await usage(key)).toEqual([[10, 0]]);
        expect(await last()).not.toHaveProperty('corrected');
      });

      test('a renewed hold lives longer; one that ended cannot be renewed', async () => {
        const key = await minted('AAAAAAAA', { budgets: [total(100)] });
        await admit(key, 30);
        const renew = (holdUntil: number) => subject.ledger.renew({ root: rootOf(key), reservationId: 'r1', holdUntil });
        expect(await renew(start + hour)).toBe(true);
        expect(await renew(start + minute)).toBe(true);
        expect(await subject.ledger.sweep({ now: start + hour - 1 })).toBe(0);
        expect(await subject.ledger.sweep({ now: start + hour })).toBe(1);
        expect(await renew(start + 2 * hour)).toBe(false);
        expect(await subject.ledger.renew({ root: rootOf(key), reservationId: 'unknown', holdUntil: start })).toBe(false);
      });

      test('more holds than one batch are all captured, and those of orphans before their time', async () => {
        const key = await minted('AAAAAAAA', { budgets: [total(1000)] });
        await Promise.all(Array.from({ length: 450 }, () => admit(key, 1)));
        expect(await subject.ledger.sweep({ now: start, orphaned: () => false })).toBe(0);
        expect(await subject.ledger.sweep({ now: start, orphaned: () => true })).toBe(450);
        await Promise.all(Array.from({ length: 450 }, () => admit(key, 1)));
        expect(await subject.ledger.sweep({ now: start + hour })).toBe(450);
        expect(await usage(key)).toEqual([[900, 0]]);
      });
    });

    test('a one-time id is good once, also for 16 users at once', async () => {
      const use = (id: string) => subject.ledger.useOnce({ id, until: start + hour });
      const results = await Promise.all(Array.from({ length: 16 }, () => use('state-1')));
      expect(results.filter(Boolean)).toHaveLength(1);
      expect(await use('')).toBe(true);
      expect(await use('x'.repeat(10_000))).toBe(true);
      expect(await use('x'.repeat(10_001))).toBe(true);
      const remembers = (...ids: string[]) => subject.ledger.remembers(ids);
      expect(await remembers('state-2', 'state-1', '', 'x'.repeat(10_001), 'state-2')).toEqual([false, true, true, true, false]);
      expect(await remembers()).toEqual([]);
      await subject.ledger.sweep({ now: start + hour - 1 });
      expect(await use('state-1')).toBe(false);
      expect(await countOf(subject.journal)).toBe(0);
    });

    test('the journal adds up to the counters (I8)', async () => {
      await funded('acme', 10_000);
      const top = await minted('TOP00000', { accountId: 'acme', budgets: [total(5000)] });
      const leaf = await minted('LEAF0000', { accountId: 'acme', parentIds: ['TOP00000'], budgets: [total(3000)] });
      for (let n = 1; n <= 40; n += 1) {
        const own = n % 2 === 0;
        await (own ? admit(top, n * 10) : admit(leaf, n * 10, { ancestors: [top] }));
        if (n % 5 === 0) subject.clock.step(3 * minute);
        if (n % 7 === 0) await subject.ledger.sweep({ now: subject.clock.now() });
        if (n % 3 !== 0) await settle(own ? top : leaf, `r${n}`, n * (n % 11)).catch(() => undefined);
      }
      subject.clock.step(hour);
      await subject.ledger.sweep({ now: subject.clock.now() });
      const sum = [...chargesOf(await recordsOf(subject.journal)).values()].reduce((one, other) => one + other, 0);
      expect((await usage(top))[0]).toEqual([sum, 0]);
      expect(await subject.ledger.account('acme')).toMatchObject({ balance: 10_000 - sum, held: 0 });
      expect(sum).toBeGreaterThan(1000);
    });
  });
}
