import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Factor } from '../../src/ports/factors.ts';
import { countOf, type OpenSubject, recordsOf, type Subject, start, testKey } from './subject.ts';

const by = { via: 'cli' } as const;

/** What every store of second factors must do. */
export function factorsContract(name: string, open: OpenSubject): void {
  describe(`factors contract: ${name}`, () => {
    let subject: Subject;
    beforeEach(async () => {
      subject = await open();
      await subject.keyring.insert(testKey('AAAAAAAA', { orgId: 'acme' }), by);
    });
    afterEach(() => subject.close());

    const enrolled: Factor = {
      ...{ keyId: 'AAAAAAAA', sealedSecret: 'sealed-secret-text', confirmed: false, lastStep: 0, freshUntil: 0 },
      ...{ failures: 0, lockedUntil: 0, revision: 1 },
    };
    const put = (factor: Factor, kind: 'stepup.enrolled' | 'stepup.passed' | 'stepup.failed' = 'stepup.enrolled') =>
      subject.factors.put({ factor, expected: factor.revision - 1, record: { kind, via: 'cli' } });

    test('a factor is put and read back, with a record that names the key and not the secret', async () => {
      expect(await subject.factors.get('AAAAAAAA')).toBeUndefined();
      expect(await put(enrolled)).toBe(true);
      expect(await subject.factors.get('AAAAAAAA')).toEqual(enrolled);
      const passed = { ...enrolled, confirmed: true, lastStep: 7, freshUntil: start + 5, revision: 2 };
      expect(await put(passed, 'stepup.passed')).toBe(true);
      expect(await subject.factors.get('AAAAAAAA')).toEqual(passed);
      const records = (await recordsOf(subject.journal)).slice(1);
      expect(records).toMatchObject([
        { kind: 'stepup.enrolled', keyId: 'AAAAAAAA', org: 'acme', via: 'cli' },
        { kind: 'stepup.passed', keyId: 'AAAAAAAA' },
      ]);
      expect(JSON.stringify(records)).not.toContain('sealed-secret-text');
    });

    test('of many who put at once, one does: a code is taken once and a wrong guess always counts', async () => {
      await put(enrolled);
      const count = await countOf(subject.journal);
      const results = await Promise.all(
        Array.from({ length: 16 }, (_, n) => put({ ...enrolled, lastStep: n, revision: 2 }, 'stepup.passed')),
      );
      expect(results.filter(Boolean)).toHaveLength(1);
      expect((await subject.factors.get('AAAAAAAA'))?.lastStep).toBe(results.indexOf(true));
      expect(await countOf(subject.journal)).toBe(count + 1);
      let failed = 0;
      const fail = async (): Promise<void> => {
        for (;;) {
          const factor = (await subject.factors.get('AAAAAAAA')) ?? enrolled;
          if (await put({ ...factor, failures: factor.failures + 1, revision: factor.revision + 1 }, 'stepup.failed')) break;
        }
        failed += 1;
      };
      await Promise.all(Array.from({ length: 12 }, fail));
      expect(failed).toBe(12);
      expect((await subject.factors.get('AAAAAAAA'))?.failures).toBe(12);
    });

    test('a revision that does not follow, and a key that does not exist, are faults that write nothing', async () => {
      const count = await countOf(subject.journal);
      await expect(put({ ...enrolled, keyId: 'NOSUCHID' })).rejects.toThrow('NOSUCHID');
      const record = { kind: 'stepup.enrolled' } as const;
      await expect(subject.factors.put({ factor: { ...enrolled, revision: 2 }, expected: 0, record })).rejects.toThrow('revision');
      expect(await subject.factors.get('AAAAAAAA')).toBeUndefined();
      expect(await countOf(subject.journal)).toBe(count);
    });

    test('a factor goes with its key', async () => {
      await put(enrolled);
      await subject.keyring.remove('AAAAAAAA', { reason: 'x', at: start, by });
      expect(await subject.factors.get('AAAAAAAA')).toBeUndefined();
    });
  });
}
