import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Archive } from '../../../src/ports/archive.ts';

/** What every archive must do. @param open  another archive on the same empty place, as another machine has it */
export function archiveContract(name: string, open: () => Promise<{ archive: Archive; beside: Archive; close(): Promise<void> }>): void {
  describe(`archive contract: ${name}`, () => {
    let subject: Awaited<ReturnType<typeof open>>;
    beforeEach(async () => {
      subject = await open();
    });
    afterEach(() => subject.close());
    const segment = (number: number) => ({ series: 'segments', number }) as const;

    test('an empty one has nothing', async () => {
      const { archive } = subject;
      expect(await archive.newest('segments')).toBe(0);
      expect(await archive.newest('anchors')).toBe(0);
      expect(await archive.get(segment(1))).toBeUndefined();
      await archive.remove(segment(1));
    });

    test('texts come back as they were put, to everyone', async () => {
      const { archive, beside } = subject;
      const odd = 'ünïcode 😀 \u2028 \r\n {"a":"\\ud800"}\n\n';
      const long = `${'{"v":1,"partition":"p1"}\n'.repeat(100_000)}`;
      expect(await archive.put(segment(1), odd)).toBe(true);
      expect(await archive.put(segment(2), long)).toBe(true);
      expect(await beside.get(segment(1))).toBe(odd);
      expect((await beside.get(segment(2))) === long).toBe(true);
      expect(await beside.newest('segments')).toBe(2);
    });

    test('a number is taken once, and what has it is never replaced', async () => {
      const { archive, beside } = subject;
      expect(await archive.put(segment(1), 'one')).toBe(true);
      expect(await beside.put(segment(1), 'other')).toBe(false);
      expect(await archive.put(segment(1), 'one')).toBe(false);
      expect(await beside.get(segment(1))).toBe('one');
    });

    test('of many who put one number at once, exactly one does', async () => {
      const { archive, beside } = subject;
      for (let number = 1; number <= 5; number += 1) {
        const puts = Array.from({ length: 8 }, (_, n) => (n % 2 ? archive : beside).put(segment(number), `of ${n}`));
        const done = await Promise.all(puts);
        expect(done.filter((won) => won)).toHaveLength(1);
        expect(await archive.get(segment(number))).toBe(`of ${done.indexOf(true)}`);
      }
    });

    test('the newest is the highest number, past folders of ten thousand, and after the front was removed', async () => {
      const { archive, beside } = subject;
      for (const number of [1, 2, 9_999, 10_000, 10_001, 20_345]) {
        await archive.put(segment(number), `text ${number}`);
        expect(await archive.newest('segments')).toBe(number);
      }
      for (const number of [1, 2, 9_999, 10_000, 10_001]) await archive.remove(segment(number));
      expect(await beside.newest('segments')).toBe(20_345);
      expect(await archive.newest('segments')).toBe(20_345);
      await beside.put(segment(20_346), 'next');
      expect(await archive.newest('segments')).toBe(20_346);
      expect(await archive.get(segment(10_001))).toBeUndefined();
    });

    test('a newest one that was taken away is not the newest any more', async () => {
      const { archive, beside } = subject;
      for (const number of [1, 2, 3]) await archive.put(segment(number), 'text');
      expect(await archive.newest('segments')).toBe(3);
      await beside.remove(segment(3));
      expect(await archive.newest('segments')).toBe(2);
    });

    test('series do not touch each other', async () => {
      const { archive } = subject;
      await archive.put(segment(5), 'a segment');
      await archive.put({ series: 'anchors', number: 5 }, 'anchors');
      expect(await archive.get(segment(5))).toBe('a segment');
      expect(await archive.get({ series: 'anchors', number: 5 })).toBe('anchors');
      await archive.remove({ series: 'anchors', number: 5 });
      expect(await archive.newest('segments')).toBe(5);
      expect(await archive.newest('anchors')).toBe(0);
    });
  });
}
