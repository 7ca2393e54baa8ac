import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { KeyRecord } from '../../src/domain/key.ts';
import { rootOf } from '../../src/domain/key.ts';
import type { AdmitResult, ArgumentTotal } from '../../src/ports/ledger.ts';
import {
  admitRequest,
  countOf,
  day,
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

/** What every ledger must do about running totals of arguments: held with the call, spent or given back with its outcome. */
export function totalsContract(name: string, open: OpenSubject): void {
  describe(`ledger contract, totals of arguments: ${name}`, () => {
    let subject: Subject;
    let counter = 0;
    beforeEach(async () => {
      subject = await open();
      counter = 0;
    });
    afterEach(() => subject.close());

    const minted = async (id: string, changes: Partial<KeyRecord> = {}): Promise<KeyRecord> => {
      const key = testKey(id, changes);
      await subject.keyring.insert(key, { via: 'cli' });
      return key;
    };
    const perDay = (amount: number, limit = 100): ArgumentTotal => ({
      name: 'bank.tools[0] amount',
      amount,
      limit,
      per: 'day',
      zone: 'UTC',
    });
    const admit = (key: KeyRecord, totals: readonly ArgumentTotal[], changes: object = {}): Promise<AdmitResult> => {
      counter += 1;
      return subject.ledger.admit(admitRequest(key, { reservationId: `r${counter}`, now: subject.clock.now(), totals, ...changes }));
    };
    const settle = (key: KeyRecord, reservationId: string, changes: { released?: boolean; charge?: number } = {}) => {
      const { charge = 0, ...rest } = changes;
      const common = { root: rootOf(key), reservationId, now: subject.clock.now(), outcome: outcomeFacts };
      return subject.ledger.settle({ ...common, charge: micros(charge), ...rest });
    };
    const lines = (key: KeyRecord) => subject.ledger.usage({ key, ancestors: [], now: subject.clock.now() });
    const usage = async (key: KeyRecord) => (await lines(key)).map(({ spent, held }) => [spent, held]);

    test('a key and all that descends from it share one total, so that minting children makes no room (I7)', async () => {
      const top = await minted('TOP00000');
      const one = await minted('ONE00000', { parentIds: ['TOP00000'] });
      const two = await minted('TWO00000', { parentIds: ['ONE00000', 'TOP00000'] });
      expect((await admit(one, [perDay(60)], { ancestors: [top] })).kind).toBe('admitted');
      const breach = { reason: 'POLICY_DENIED', limitName: 'key:TOP00000 total bank.tools[0] amount day', held: 60 };
      expect(await admit(two, [perDay(50)], { ancestors: [one, top] })).toMatchObject({ kind: 'limited', breach });
      expect(await admit(top, [perDay(50)])).toMatchObject({ kind: 'limited', breach });
      await settle(one, 'r1', { released: true });
      expect(await usage(top)).toEqual([[0, 0]]);
      expect((await admit(two, [perDay(50)], { ancestors: [one, top] })).kind).toBe('admitted');
      await settle(two, 'r4');
      expect(await usage(top)).toEqual([[50, 0]]);
      expect(await usage(two)).toEqual([]);
    });

    test('a share is held by the call and spent with its outcome, whatever the call was charged', async () => {
      const key = await minted('AAAAAAAA');
      expect(await usage(key)).toEqual([]);
      expect((await admit(key, [perDay(60)])).kind).toBe('admitted');
      expect(await lines(key)).toEqual([
        {
          ...{ limitName: 'key:AAAAAAAA total bank.tools[0] amount day', unit: 'micros', limit: 100, spent: 0, held: 60 },
          resetAt: start + day / 2,
        },
      ]);
      await settle(key, 'r1');
      expect(await usage(key)).toEqual([[60, 0]]);
    });

    test('a call without room is refused by policy, with what stands against it, on record, and nothing is taken', async () => {
      const key = await minted('AAAAAAAA', { maxUses: 5, budgets: [{ amount: micros(50), per: 'total', zone: 'UTC' }] });
      await admit(key, [perDay(60)]);
      await settle(key, 'r1');
      await admit(key, [perDay(15)]);
      const breach = {
        ...{ reason: 'POLICY_DENIED', limitName: 'key:AAAAAAAA total bank.tools[0] amount day', unit: 'micros' },
        ...{ limit: 100, spent: 60, held: 15, resetAt: start + day / 2 },
      };
      const before = await usage(key);
      expect(await admit(key, [perDay(26)], { price: micros(1) })).toEqual({ kind: 'limited', breach });
      expect(await usage(key)).toEqual(before);
      const refusal = (await recordsAbout(subject.journal, 'AAAAAAAA')).findLast(({ kind }) => kind === 'call.refused');
      expect(refusal).toMatchObject({
        ...{ kind: 'call.refused', decision: 'refused', reason: 'POLICY_DENIED', limitName: breach.limitName },
        ...{ limit: '0.0001', spent: '0.00006', held: '0.000015' },
      });
      expect((await admit(key, [perDay(25)], { price: micros(1) })).kind).toBe('admitted');
      expect((await admit(key, [perDay(0)])).kind).toBe('admitted');
    });

    test('a released call gives its share back; it is charged nothing', async () => {
      const key = await minted('AAAAAAAA', { budgets: [{ amount: micros(50), per: 'total', zone: 'UTC' }] });
      await admit(key, [perDay(100)], { price: micros(5) });
      await expect(settle(key, 'r1', { released: true, charge: 5 })).rejects.toThrow('released');
      expect(await usage(key)).toEqual([
        [0, 5],
        [0, 100],
      ]);
      await settle(key, 'r1', { released: true });
      expect(await usage(key)).toEqual([
        [0, 0],
        [0, 0],
      ]);
      expect((await admit(key, [perDay(100)])).kind).toBe('admitted');
    });

    test('an expired call has spent its share; a late outcome gives it back only where nothing was sent, and once', async () => {
      const key = await minted('AAAAAAAA');
      const total: ArgumentTotal = { ...perDay(30), per: 'total' };
      for (let n = 0; n < 3; n += 1) await admit(key, [total]);
      expect(await subject.ledger.sweep({ now: start + hour })).toBe(3);
      expect(await usage(key)).toEqual([[90, 0]]);
      await settle(key, 'r1', { released: true });
      await settle(key, 'r1', { released: true });
      await settle(key, 'r2', { released: false });
      expect(await usage(key)).toEqual([[60, 0]]);
    });

    test('windows begin empty, and a share belongs to the window of its admit', async () => {
      const key = await minted('AAAAAAAA');
      await admit(key, [perDay(100)]);
      subject.clock.step(day);
      expect(await lines(key)).toEqual([]);
      expect((await admit(key, [perDay(100)])).kind).toBe('admitted');
      await settle(key, 'r1');
      expect(await usage(key)).toEqual([[0, 100]]);
      subject.clock.step(-day);
      expect(await usage(key)).toEqual([[100, 0]]);
    });

    test('totals of other names, windows and keys are counted apart', async () => {
      const apart = await minted('TOP00000');
      const leaf = await minted('LEAF0000');
      const other: ArgumentTotal = { ...perDay(90), name: 'bank.tools[1] amount' };
      const hourly: ArgumentTotal = { ...perDay(90), per: 'hour' };
      expect((await admit(leaf, [perDay(90), other, hourly])).kind).toBe('admitted');
      expect((await admit(apart, [perDay(90)])).kind).toBe('admitted');
      expect((await lines(leaf)).map(({ limitName, held }) => [limitName, held])).toEqual([
        ['key:LEAF0000 total bank.tools[0] amount day', 90],
        ['key:LEAF0000 total bank.tools[1] amount day', 90],
        ['key:LEAF0000 total bank.tools[0] amount hour', 90],
      ]);
      const late = await admit(leaf, [other, { ...hourly, amount: 11 }]);
      expect(late).toMatchObject({ kind: 'limited', breach: { limitName: 'key:LEAF0000 total bank.tools[1] amount day' } });
    });

    test('two limits on one total take its share once, and the tighter one refuses', async () => {
      const key = await minted('AAAAAAAA');
      expect((await admit(key, [perDay(20, 100), perDay(20, 30)])).kind).toBe('admitted');
      expect(await lines(key)).toMatchObject([{ limit: 30, held: 20 }]);
      expect(await admit(key, [perDay(20, 100), perDay(20, 30)])).toMatchObject({ kind: 'limited', breach: { limit: 30, held: 20 } });
    });

    test('a limit that a rule raised or lowered since is the one that counts and is shown', async () => {
      const key = await minted('AAAAAAAA');
      await admit(key, [perDay(60, 100)]);
      expect((await admit(key, [perDay(60, 200)])).kind).toBe('admitted');
      expect(await lines(key)).toMatchObject([{ limit: 200, held: 120 }]);
      expect((await admit(key, [perDay(0, 100)])).kind).toBe('limited');
    });

    test('totals bind also where the call counts against nothing else', async () => {
      const key = await minted('AAAAAAAA', { maxUses: 0 });
      expect((await admit(key, [perDay(101)], { counts: false })).kind).toBe('limited');
      expect((await admit(key, [perDay(100)], { counts: false })).kind).toBe('admitted');
      expect(await usage(key)).toEqual([
        [0, 0],
        [0, 100],
      ]);
    });

    test.each<[string, readonly ArgumentTotal[]]>([
      ['a negative share, which would make room', [perDay(-1)]],
      ['a share that is no whole number', [perDay(0.5)]],
      ['a share beyond what can be counted', [perDay(2 ** 53)]],
      ['no number', [perDay(Number.NaN)]],
      ['a limit that is none', [perDay(1, Number.POSITIVE_INFINITY)]],
      ['two shares of one total', [perDay(1), perDay(2)]],
    ])('%s is a fault that writes nothing', async (_what, totals) => {
      const key = await minted('AAAAAAAA');
      await admit(key, [perDay(50)]);
      const count = await countOf(subject.journal);
      await expect(admit(key, totals)).rejects.toThrow();
      const call = { key, ancestors: [], counts: true, price: micros(0), totals, now: start };
      await expect(subject.ledger.preview(call)).rejects.toThrow();
      expect(await countOf(subject.journal)).toBe(count);
      expect(await usage(key)).toEqual([[0, 50]]);
    });

    test('A32: the largest numbers that can be counted never pass their limit', async () => {
      const key = await minted('AAAAAAAA');
      const most = Number.MAX_SAFE_INTEGER;
      expect((await admit(key, [perDay(most - 1, most)])).kind).toBe('admitted');
      expect((await admit(key, [perDay(2, most)])).kind).toBe('limited');
      expect((await admit(key, [perDay(most, most)])).kind).toBe('limited');
      expect((await admit(key, [perDay(1, most)])).kind).toBe('admitted');
    });

    test('64 calls at once, of any shares, never pass a total, however they end', async () => {
      const calls = fc.array(fc.record({ amount: fc.nat(40), end: fc.constantFrom('sent', 'released', 'expired') }), {
        minLength: 64,
        maxLength: 64,
      });
      let run = 0;
      await fc.assert(
        fc.asyncProperty(calls, fc.integer({ min: 0, max: 900 }), async (wanted, limit) => {
          run += 1;
          const key = await minted(`KEY${String(run).padStart(5, '0')}`);
          const total = (amount: number): ArgumentTotal => ({ ...perDay(amount, limit), per: 'total' });
          const answers = await Promise.all(
            wanted.map(async (call) => ({ ...call, answer: await admit(key, [total(call.amount)]), id: `r${counter}` })),
          );
          const passed = wanted.flatMap((call, at) => {
            const answer = answers[at]?.answer;
            return answer?.kind === 'admitted' ? [{ ...call, id: answer.reservationId }] : [];
          });
          const sum = (of: readonly { amount: number }[]) => of.reduce((all, { amount }) => all + amount, 0);
          expect(sum(passed)).toBeLessThanOrEqual(limit);
          // Nobody was refused who would still fit.
          const refused = answers.filter(({ answer }) => answer.kind === 'limited');
          for (const { amount } of refused) expect(sum(passed) + amount).toBeGreaterThan(limit);
          if (passed.length > 0) expect(await usage(key)).toEqual([[0, sum(passed)]]);
          await Promise.all(
            passed.map(({ id, end }) => (end === 'expired' ? undefined : settle(key, id, { released: end === 'released' }))),
          );
          await subject.ledger.sweep({ now: subject.clock.now() + 2 * minute });
          if (passed.length > 0) expect(await usage(key)).toEqual([[sum(passed.filter(({ end }) => end !== 'released')), 0]]);
        }),
        { numRuns: 8, seed: 20_260_715 },
      );
    }, 30_000);
  });
}
