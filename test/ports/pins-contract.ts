import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readSighting } from '../../src/domain/tool-definition.ts';
import { judgeSighting, type PinTerms, type ToolPin } from '../../src/domain/tool-pin.ts';
import { pinFacts } from '../../src/domain/tool-pin-record.ts';
import { countOf, type OpenSubject, recordsOf, type Subject, start } from './subject.ts';

const terms: PinTerms = { mode: 'first-sight', onChange: { schema: 'quarantine', annotations: 'quarantine', wording: 'report' } };
const hostile = ['__proto__', 'constructor', 'n', 'a b', '\u001b[31mred\u0007', 'x\ny\0z', '😀'.repeat(200), '{p1}', 'r:pay', 'p:pay', ''];

/** What every store of pins must do. */
export function pinsContract(name: string, open: OpenSubject): void {
  describe(`pins contract: ${name}`, () => {
    let subject: Subject;
    beforeEach(async () => {
      subject = await open();
    });
    afterEach(() => subject.close());

    const seen = (before: ToolPin | undefined, tool: string, definition: object, upstream = 'wiki'): ToolPin => {
      const sighting = readSighting(Buffer.from(JSON.stringify({ name: tool, ...definition })));
      return judgeSighting(before, sighting, { upstream, tool, terms, now: start }).pin;
    };
    const put = (pin: ToolPin) =>
      subject.pins.put({ pin, expected: pin.revision - 1, record: pinFacts(pin.revision === 1 ? 'tool.pinned' : 'tool.quarantined', pin) });

    test('a pin is put and read back, with a record that says hashes and no text', async () => {
      expect(await subject.pins.get('wiki', 'pay')).toBeUndefined();
      expect(await subject.pins.revision('wiki')).toBe(0);
      const first = seen(undefined, 'pay', { description: 'Pays a bill' });
      expect(await put(first)).toBe(true);
      expect(await subject.pins.get('wiki', 'pay')).toEqual(first);
      const second = seen(first, 'pay', { description: 'Pays all bills', inputSchema: {} });
      expect(await put(second)).toBe(true);
      expect(await subject.pins.get('wiki', 'pay')).toEqual(second);
      expect(second).toMatchObject({ state: 'quarantined', pinned: { text: expect.any(String) }, seen: { text: expect.any(String) } });
      const records = await recordsOf(subject.journal);
      expect(records).toMatchObject([
        { kind: 'tool.pinned', upstream: 'wiki', tool: 'pay', state: 'pinned', definition: first.pinned?.whole },
        { kind: 'tool.quarantined', cause: 'changed', changed: ['schema', 'wording'], pinnedDefinition: first.pinned?.whole },
      ]);
      expect(JSON.stringify(records)).not.toContain('bill');
    });

    test('what decides is read for a whole upstream, without texts, and its revision grows with every pin', async () => {
      const pins = [seen(undefined, 'a', {}), seen(undefined, 'b', {}), seen(undefined, 'a', { title: 'x' }, 'wiki2')];
      const revisions: number[] = [];
      for (const pin of pins) {
        await put(pin);
        revisions.push(await subject.pins.revision('wiki'));
      }
      expect(revisions[1]).toBeGreaterThan(revisions[0] ?? Number.NaN);
      expect(revisions[2]).toBe(revisions[1]);
      const found = await subject.pins.of('wiki');
      expect(found.map(({ tool }) => tool).sort()).toEqual(['a', 'b']);
      expect(found.every(({ pinned }) => pinned?.text === undefined && pinned?.whole !== undefined)).toBe(true);
      expect(await subject.pins.of('wik')).toEqual([]);
    });

    test('of many who put at once one does, and one record tells it', async () => {
      const first = seen(undefined, 'pay', {});
      const one = await Promise.all(Array.from({ length: 12 }, () => put(first)));
      expect(one.filter(Boolean)).toHaveLength(1);
      const second = seen(first, 'pay', { inputSchema: {} });
      expect((await Promise.all(Array.from({ length: 12 }, () => put(second)))).filter(Boolean)).toHaveLength(1);
      expect(await countOf(subject.journal)).toBe(2);
    });

    test('a revision that does not follow is a fault, a stale one is told; neither writes', async () => {
      const first = seen(undefined, 'pay', {});
      await expect(subject.pins.put({ pin: first, expected: 3, record: pinFacts('tool.pinned', first) })).rejects.toThrow('revision');
      await put(first);
      expect(await put({ ...first, restored: 2 })).toBe(false);
      expect(await subject.pins.get('wiki', 'pay')).toEqual(first);
      expect(await countOf(subject.journal)).toBe(1);
    });

    test('tools may have any name (A02, A18)', async () => {
      for (const tool of hostile) expect(await put(seen(undefined, tool, { description: tool }))).toBe(true);
      for (const tool of hostile) expect(await subject.pins.get('wiki', tool)).toEqual(seen(undefined, tool, { description: tool }));
      expect((await subject.pins.of('wiki')).map(({ tool }) => tool).sort()).toEqual([...hostile].sort());
      expect((await recordsOf(subject.journal)).map(({ tool }) => tool)).toEqual(hostile);
      expect(Object.keys(Object.prototype)).toEqual([]);
    });
  });
}
