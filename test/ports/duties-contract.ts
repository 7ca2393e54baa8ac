import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { minute, type OpenSubject, type Subject } from './subject.ts';

/** What every store of duties must do for the process that serves. */
export function dutiesContract(name: string, open: OpenSubject): void {
  describe(`duties contract: ${name}`, () => {
    let subject: Subject;
    beforeEach(async () => {
      subject = await open();
    });
    afterEach(() => subject.close());

    test('a duty is taken, kept, let go and taken again', async () => {
      expect(await subject.duties.hold('seal', minute)).toBe(true);
      expect(await subject.duties.hold('seal', minute)).toBe(true);
      expect(await subject.duties.hold('webhook one', minute)).toBe(true);
      await subject.duties.release('seal');
      await subject.duties.release('seal');
      await subject.duties.release('never held');
      expect(await subject.duties.hold('seal', minute)).toBe(true);
    });

    test('progress begins at 0, is kept by name and never goes backwards', async () => {
      expect(await subject.duties.progress('one')).toBe(0);
      await subject.duties.advance('one', 7);
      await subject.duties.advance('one', 3);
      await subject.duties.advance('two', 0);
      expect([await subject.duties.progress('one'), await subject.duties.progress('two')]).toEqual([7, 0]);
      await subject.duties.advance('one', Number.MAX_SAFE_INTEGER);
      expect(await subject.duties.progress('one')).toBe(Number.MAX_SAFE_INTEGER);
    });

    test('progress outlives the duty being let go', async () => {
      await subject.duties.hold('one', minute);
      await subject.duties.advance('one', 5);
      await subject.duties.release('one');
      expect(await subject.duties.progress('one')).toBe(5);
    });

    test('of many who advance at once, the furthest stands', async () => {
      const positions = Array.from({ length: 32 }, (_, n) => (n * 7) % 32);
      await Promise.all(positions.map((position) => subject.duties.advance('one', position)));
      expect(await subject.duties.progress('one')).toBe(31);
    });

    test.each([Number.NaN, -1, 0.5, 2 ** 53, Number.POSITIVE_INFINITY])(
      '%s is no position: a fault that changes nothing',
      async (position) => {
        await subject.duties.advance('one', 5);
        await expect(subject.duties.advance('one', position)).rejects.toThrow();
        expect(await subject.duties.progress('one')).toBe(5);
      },
    );
  });
}
