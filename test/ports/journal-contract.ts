import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { firstPrev } from '../../src/domain/record.ts';
import { verifyLines } from '../../src/domain/verify-journal.ts';
import { countOf, linesOf, minute, type OpenSubject, recordsOf, type Subject, start } from './subject.ts';

/** What every journal must do: exact texts, unbroken chains, signed checkpoints, pruning that still verifies. */
export function journalContract(name: string, open: OpenSubject): void {
  describe(`journal contract: ${name}`, () => {
    let subject: Subject;
    beforeEach(async () => {
      subject = await open();
    });
    afterEach(() => subject.close());

    /** All of one account, so of one chain. */
    const record = (fact: string) => subject.ledger.record({ kind: 'call.refused', reason: 'RATE_LIMITED', account: 'acme', fact });
    const facts = async () => (await recordsOf(subject.journal)).map(({ fact }) => fact);
    const verify = async (lines?: readonly string[]) => {
      const texts = lines ?? (await linesOf(subject.journal));
      return verifyLines(texts, { checkpoints: await subject.journal.checkpoints(), publicKeys: subject.publicKeys });
    };

    test('an empty journal stands at 0, has no checkpoint, and verifies', async () => {
      expect(await subject.journal.head()).toBe(0);
      expect(await subject.journal.read({ after: 0, limit: 10 })).toEqual([]);
      expect(await subject.journal.checkpoint(start)).toEqual([]);
      expect(await subject.journal.checkpoints()).toEqual([]);
      expect(await subject.journal.faults()).toEqual([]);
      expect(await verify()).toEqual({ ok: true, records: 0, checkpoints: 0, faults: [], gaps: [] });
    });

    test('texts come back byte for byte, in order, after a position', async () => {
      const odd = 'ünïcode 😀 \u2028 \u0000 \ud800 "quoted" \\ ';
      const long = 'x'.repeat(100_000);
      for (const fact of [odd, long, '']) await record(fact);
      expect(await facts()).toEqual([odd, long, '']);
      const lines = await subject.journal.read({ after: 0, limit: 9 });
      const [first = 0, second = 0, third = 0] = lines.map(({ position }) => position);
      expect([0 < first, first < second, second < third]).toEqual([true, true, true]);
      expect(await subject.journal.read({ after: first, limit: 1 })).toEqual(lines.slice(1, 2));
      expect(await subject.journal.read({ after: 0, limit: 2 })).toEqual(lines.slice(0, 2));
      expect(await subject.journal.read({ after: third, limit: 9 })).toEqual([]);
      expect(await subject.journal.head()).toBe(third);
      expect(await verify()).toMatchObject({ ok: true, records: 3, firstSeq: 1, lastSeq: 3 });
    });

    test('what was committed before the head was asked for can be read up to it, and positions never change', async () => {
      for (let n = 0; n < 5; n += 1) {
        const before = await subject.journal.read({ after: 0, limit: 100 });
        await Promise.all([record(`${n}`), subject.ledger.record({ kind: 'call.refused', account: `other${n}` })]);
        const head = await subject.journal.head();
        const lines = await subject.journal.read({ after: 0, limit: 100 });
        expect(lines).toHaveLength(2 * n + 2);
        expect(lines.at(-1)?.position).toBe(head);
        expect(lines.slice(0, before.length)).toEqual(before);
      }
    });

    test('records written at the same time form one chain, which begins with the first', async () => {
      await Promise.all(Array.from({ length: 100 }, (_, n) => record(`${n}`)));
      expect(await verify()).toMatchObject({ ok: true, records: 100, lastSeq: 100 });
      const [first] = await recordsOf(subject.journal);
      expect(first).toMatchObject({ v: 1, partition: expect.any(String), seq: 1, time: new Date(start).toISOString(), prev: firstPrev });
    });

    test('records of many accounts at the same time form chains that verify together', async () => {
      const some = Array.from({ length: 60 }, (_, n) => n);
      await Promise.all(some.map((n) => subject.ledger.record({ kind: 'call.refused', account: `account ${n % 20}`, fact: `${n}` })));
      expect(await verify()).toMatchObject({ ok: true, records: 60, faults: [] });
      expect((await facts()).map(Number).sort((one, other) => one - other)).toEqual(some);
    });

    test('a checkpoint signs what is new, once', async () => {
      await record('one');
      const made = await subject.journal.checkpoint(start + 5);
      const [one] = await recordsOf(subject.journal);
      expect(made).toHaveLength(1);
      expect(made).toMatchObject([{ partition: one?.partition, seq: 1, hash: one?.hash, time: new Date(start + 5).toISOString() }]);
      expect(await subject.journal.checkpoint(start + 6)).toEqual([]);
      expect(await subject.journal.checkpoints()).toEqual(made);
      await record('two');
      expect(await subject.journal.checkpoint(start + 7)).toMatchObject([{ partition: one?.partition, seq: 2 }]);
      expect((await subject.journal.checkpoints()).at(-1)).toMatchObject({ seq: 2 });
      expect(await verify()).toMatchObject({ ok: true });
      expect(await subject.journal.faults()).toEqual([]);
    });

    test('a cut tail is found by the checkpoint that outlives it', async () => {
      for (const fact of ['one', 'two', 'three']) await record(fact);
      await subject.journal.checkpoint(start);
      const lines = await linesOf(subject.journal);
      const { partition } = JSON.parse(lines[0] ?? '{}');
      const report = await verify(lines.slice(0, 2));
      expect(report.faults).toEqual([{ partition, seq: 3, problem: expect.stringContaining('tail') }]);
    });

    test('a front that was cut without pruning, and an edited record, are found', async () => {
      for (const fact of ['one', 'two', 'three']) {
        await record(fact);
        await subject.journal.checkpoint(subject.clock.now());
      }
      const lines = await linesOf(subject.journal);
      expect((await verify(lines.slice(1))).faults[0]).toMatchObject({ seq: 2, problem: expect.stringContaining('missing') });
      const edited = lines.map((line) => line.replace('"two"', '"2"'));
      expect((await verify(edited)).faults).toMatchObject([{ seq: 2, problem: expect.stringContaining('changed') }]);
    });

    test('pruning drops what is old, says so, and the rest still verifies', async () => {
      for (let n = 0; n < 30; n += 1) {
        await record(`${n}`);
        await subject.journal.checkpoint(subject.clock.now());
        subject.clock.step(minute);
      }
      const now = subject.clock.now();
      expect(await subject.journal.prune({ before: start + 10 * minute, now })).toBe(10);
      const left = await recordsOf(subject.journal);
      expect(left.filter(({ kind }) => kind !== 'journal.pruned').map(({ fact }) => fact)).toEqual(
        Array.from({ length: 20 }, (_, n) => `${n + 10}`),
      );
      expect(left.find(({ kind }) => kind === 'journal.pruned')).toMatchObject({ fromSeq: 1, throughSeq: 10 });
      expect(await verify()).toMatchObject({ ok: true, records: 21, firstSeq: 11, lastSeq: 31 });
      expect((await subject.journal.checkpoints()).map(({ seq }) => seq)).toContain(10);
      expect(await subject.journal.faults()).toEqual([]);
      expect(await subject.journal.prune({ before: start + 10 * minute, now })).toBe(0);
      expect(await countOf(subject.journal)).toBe(21);
    });

    test('pruning with a time in the future ends, and the chain goes on', async () => {
      for (const fact of ['one', 'two']) {
        await record(fact);
        await subject.journal.checkpoint(start);
      }
      const pruned = await subject.journal.prune({ before: start + minute, now: start });
      expect(pruned).toBeLessThanOrEqual(2);
      await record('after');
      const left = await recordsOf(subject.journal);
      expect(left.map(({ kind }) => kind)).toContain('journal.pruned');
      expect(left.map(({ fact }) => fact)).toContain('after');
      expect(await verify()).toMatchObject({ ok: true, lastSeq: 4 });
    });

    test('gaps that records state are listed', async () => {
      const gap = { from: '2026-07-15T12:00:00Z', to: '2026-07-15T12:01:00Z' };
      await subject.ledger.record({ kind: 'gap', ...gap });
      expect((await verify()).gaps).toEqual([{ seq: 1, ...gap }]);
    });
  });
}
