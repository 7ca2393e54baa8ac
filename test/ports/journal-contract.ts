import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { firstPrev } from '../../src/domain/record.ts';
import { verifyLines } from '../../src/domain/verify-journal.ts';
import { minute, type OpenSubject, recordsOf, type Subject, start } from './subject.ts';

/** What every journal must do: exact texts, an unbroken chain, signed checkpoints, pruning that still verifies. */
export function journalContract(name: string, open: OpenSubject): void {
  describe(`journal contract: ${name}`, () => {
    let subject: Subject;
    beforeEach(async () => {
      subject = await open();
    });
    afterEach(() => subject.close());

    const record = (fact: string) => subject.ledger.record({ kind: 'call.refused', reason: 'RATE_LIMITED', fact });
    const verify = () => {
      const checkpoints = subject.journal.checkpoints();
      const lines = subject.journal.read({ after: 0, limit: 1_000_000 }).map(({ text }) => text);
      return verifyLines(lines, { checkpoints, publicKeys: subject.publicKeys });
    };

    test('an empty journal has a head before the first record, no checkpoint, and verifies', async () => {
      expect(subject.journal.head()).toEqual({ seq: 0, hash: firstPrev });
      expect(subject.journal.read({ after: 0, limit: 10 })).toEqual([]);
      expect(await subject.journal.checkpoint(start)).toBeUndefined();
      expect(verify()).toEqual({ ok: true, records: 0, checkpoints: 0, faults: [], gaps: [] });
    });

    test('texts come back byte for byte, in order, after a cursor', async () => {
      const odd = 'ünïcode 😀 \u2028 \u0000 \ud800 "quoted" \\ ';
      await record(odd);
      await record('x'.repeat(100_000));
      await record('');
      expect(recordsOf(subject.journal).map(({ fact }) => fact)).toEqual([odd, 'x'.repeat(100_000), '']);
      expect(subject.journal.read({ after: 1, limit: 1 }).map(({ seq }) => seq)).toEqual([2]);
      expect(subject.journal.read({ after: 3, limit: 9 })).toEqual([]);
      expect(subject.journal.head()).toMatchObject({ seq: 3 });
      expect(verify()).toMatchObject({ ok: true, records: 3, firstSeq: 1, lastSeq: 3 });
    });

    test('records written at the same time form one chain', async () => {
      await Promise.all(Array.from({ length: 100 }, (_, n) => record(`${n}`)));
      expect(verify()).toMatchObject({ ok: true, records: 100, lastSeq: 100 });
      expect(recordsOf(subject.journal)[0]).toMatchObject({
        v: 1,
        partition: 'main',
        seq: 1,
        time: new Date(start).toISOString(),
        prev: firstPrev,
      });
    });

    test('a checkpoint signs the head, once per head', async () => {
      await record('one');
      const checkpoint = await subject.journal.checkpoint(start + 5);
      expect(checkpoint).toMatchObject({ ...subject.journal.head(), partition: 'main', time: new Date(start + 5).toISOString() });
      expect(await subject.journal.checkpoint(start + 6)).toBeUndefined();
      expect(subject.journal.checkpoints()).toEqual([checkpoint]);
      await record('two');
      expect(await subject.journal.checkpoint(start + 7)).toMatchObject({ seq: 2 });
      expect(verify()).toMatchObject({ ok: true, checkpoints: 2 });
    });

    test('a cut tail is found by the checkpoint that outlives it', async () => {
      for (const fact of ['one', 'two', 'three']) await record(fact);
      await subject.journal.checkpoint(start);
      const lines = subject.journal.read({ after: 0, limit: 2 }).map(({ text }) => text);
      const report = verifyLines(lines, { checkpoints: subject.journal.checkpoints(), publicKeys: subject.publicKeys });
      expect(report.faults).toEqual([{ partition: 'main', seq: 3, problem: expect.stringContaining('tail') }]);
    });

    test('pruning drops what is old, says so, and the rest still verifies', async () => {
      for (let n = 0; n < 30; n += 1) {
        await record(`${n}`);
        subject.clock.step(minute);
      }
      await subject.journal.checkpoint(subject.clock.now());
      expect(await subject.journal.prune({ before: start + 10 * minute, now: subject.clock.now() })).toBe(10);
      expect(subject.journal.read({ after: 0, limit: 1 })[0]?.seq).toBe(11);
      expect(recordsOf(subject.journal).at(-1)).toMatchObject({ kind: 'journal.pruned', fromSeq: 1, throughSeq: 10 });
      expect(verify()).toMatchObject({ ok: true, firstSeq: 11, lastSeq: 31, records: 21 });
      expect(subject.journal.checkpoints().map(({ seq }) => seq)).toEqual([10, 30]);
      expect(await subject.journal.prune({ before: start + 10 * minute, now: subject.clock.now() })).toBe(0);
      expect(subject.journal.head().seq).toBe(31);
    });

    test('pruning everything, in several batches, leaves a chain that goes on', async () => {
      await Promise.all(Array.from({ length: 2300 }, (_, n) => record(`${n}`)));
      subject.clock.step(minute);
      expect(await subject.journal.prune({ before: start + minute, now: subject.clock.now() })).toBe(2300);
      const left = recordsOf(subject.journal);
      expect(left.every(({ kind }) => kind === 'journal.pruned')).toBe(true);
      await record('after');
      expect(verify()).toMatchObject({ ok: true, firstSeq: 2301 });
      expect(await subject.journal.prune({ before: start + 2 * minute, now: subject.clock.now() + minute })).toBe(left.length + 1);
      expect(verify()).toMatchObject({ ok: true });
    });

    test('pruning with a time in the future ends, and keeps the record of itself', async () => {
      for (const fact of ['one', 'two']) await record(fact);
      expect(await subject.journal.prune({ before: start + minute, now: start })).toBe(2);
      expect(recordsOf(subject.journal).map(({ kind }) => kind)).toEqual(['journal.pruned']);
      expect(verify()).toMatchObject({ ok: true, firstSeq: 3 });
    });

    test('a front that was cut without pruning is found', async () => {
      for (const fact of ['one', 'two', 'three']) {
        await record(fact);
        await subject.journal.checkpoint(subject.clock.now());
      }
      const lines = subject.journal.read({ after: 1, limit: 9 }).map(({ text }) => text);
      const report = verifyLines(lines, { checkpoints: subject.journal.checkpoints(), publicKeys: subject.publicKeys });
      expect(report.faults[0]).toMatchObject({ seq: 2, problem: expect.stringContaining('pruned') });
    });

    test('gaps that records state are listed', async () => {
      await subject.ledger.record({ kind: 'gap', from: '2026-07-15T12:00:00Z', to: '2026-07-15T12:01:00Z' });
      expect(verify().gaps).toEqual([{ seq: 1, from: '2026-07-15T12:00:00Z', to: '2026-07-15T12:01:00Z' }]);
    });
  });
}
