import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { day, type OpenSubject, type Subject, start } from './subject.ts';

/** What every memory of idempotency keys must do. */
export function replaysContract(name: string, open: OpenSubject): void {
  describe(`replays contract: ${name}`, () => {
    let subject: Subject;
    beforeEach(async () => {
      subject = await open();
    });
    afterEach(() => subject.close());

    const begin = (id: string, { bodyHash = 'body', now = start } = {}) => subject.replays.begin({ id, bodyHash, now });
    const finish = (id: string, now = start) => subject.replays.finish({ id, status: 201, body: '{"id":"AbCd1234"}', now });
    const answered = { kind: 'answered', status: 201, body: '{"id":"AbCd1234"}' };

    test('an attempt is new, then running, then answered with the first answer', async () => {
      expect(await begin('one')).toEqual({ kind: 'new' });
      expect(await begin('one')).toEqual({ kind: 'running' });
      await finish('one');
      await subject.replays.finish({ id: 'one', status: 500, body: 'later', now: start });
      expect(await begin('one')).toEqual(answered);
      expect(await begin('two')).toEqual({ kind: 'new' });
    });

    test('another body under the same key is told so, running or answered', async () => {
      await begin('one');
      expect(await begin('one', { bodyHash: 'other' })).toEqual({ kind: 'mismatch' });
      await finish('one');
      expect(await begin('one', { bodyHash: 'other' })).toEqual({ kind: 'mismatch' });
    });

    test('of 16 who begin at once, one is first', async () => {
      const kinds = (await Promise.all(Array.from({ length: 16 }, () => begin('one')))).map(({ kind }) => kind);
      expect(kinds.filter((kind) => kind === 'new')).toHaveLength(1);
      expect(kinds.filter((kind) => kind === 'running')).toHaveLength(15);
    });

    test('an attempt without effect can be forgotten; one that was answered cannot', async () => {
      await begin('one');
      await subject.replays.forget('one');
      expect(await begin('one', { bodyHash: 'other' })).toEqual({ kind: 'new' });
      await finish('one');
      await subject.replays.forget('one');
      expect(await begin('one', { bodyHash: 'other' })).toEqual(answered);
      await subject.replays.forget('never begun');
    });

    test.each([
      ['swept', true],
      ['not swept', false],
    ])('an answer is kept for 24 hours from when it was given, %s', async (_how, swept) => {
      await begin('answered');
      await begin('running');
      const later = start + day / 2;
      await finish('answered', later);
      const sweepAt = async (now: number) => {
        if (swept) await subject.ledger.sweep({ now });
        return now;
      };
      expect(await begin('answered', { now: await sweepAt(start + day) })).toEqual(answered);
      expect(await begin('running', { now: await sweepAt(start + day - (swept ? 0 : 1)) })).toEqual({ kind: swept ? 'new' : 'running' });
      expect(await begin('answered', { now: await sweepAt(later + day - 1) })).toEqual(answered);
      expect(await begin('answered', { now: await sweepAt(later + day), bodyHash: 'other' })).toEqual({ kind: 'new' });
      // What began anew is not swept by the date of the one before.
      expect(await begin('answered', { now: await sweepAt(later + day + 1), bodyHash: 'other' })).toEqual({ kind: 'running' });
    });

    test('an answer that comes when its attempt was forgotten is not remembered', async () => {
      await begin('one');
      await subject.ledger.sweep({ now: start + day });
      await finish('one', start + day);
      expect(await begin('one', { now: start + day })).toEqual({ kind: 'new' });
    });

    test('ids may be any text', async () => {
      for (const id of ['', '\u0000', 'ü'.repeat(5000), `${'ü'.repeat(5000)}x`]) expect(await begin(id)).toEqual({ kind: 'new' });
    });
  });
}
