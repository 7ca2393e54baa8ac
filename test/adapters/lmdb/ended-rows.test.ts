import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type EndedRow, endedRows } from '../../../src/adapters/lmdb/ended-rows.ts';
import type { DueKey, Ended } from '../../../src/adapters/lmdb/reservation.ts';
import type { Range } from '../../../src/adapters/lmdb/tables.ts';

const settled: Ended = { state: 'settled', forgetAt: 9 };
const refused: Ended = { state: 'refused', answer: { kind: 'dead', reason: 'TOKEN_REVOKED' }, forgetAt: 9 };
const captured: Ended = {
  state: 'captured',
  hold: { id: 'm5', owner: 'me', keyId: 'k', until: 1, price: 1, takings: [], intentAt: 1 },
  forgetAt: 9,
};

function setUp() {
  const entries = new Map<string, EndedRow | Ended>();
  const due: DueKey[] = [];
  let reads = 0;
  const keys = (): string[] => [...entries.keys()].sort();
  const under = {
    get(id: string) {
      reads += 1;
      return entries.get(id);
    },
    put: (id: string, row: EndedRow | Ended) => entries.set(id, row),
    remove: (id: string) => entries.delete(id),
    *getRange({ start = '', end = '\uffff' }: Range) {
      for (const key of keys()) {
        const value = entries.get(key);
        if (value && key >= String(start) && key < String(end)) yield { key, value };
      }
    },
    getKeys: (range: { reverse: boolean; limit: number }) => (range.reverse ? keys().reverse() : keys()).slice(0, range.limit),
  };
  const open = () => endedRows(under, { due: { put: (key) => due.push(key) } });
  const ended = open();
  let kept = false;
  const commit = (act: (rows: typeof ended) => void) => {
    ended.begin(kept);
    act(ended);
    ended.end();
    kept = true;
  };
  /** As another process, or a later life of this one, finds it. */
  const found = (id: string) => open().get(id);
  return { ended, entries, due, commit, found, reads: () => reads };
}

describe('what is looked up', () => {
  test('an id behind all others is known to be none of them without a read; any other is looked up', () => {
    const { ended, entries, reads } = setUp();
    entries.set('m1', settled);
    ended.begin(false);
    expect([ended.get('m2'), reads()]).toEqual([undefined, 0]);
    expect([ended.get('m0'), ended.get('m1'), reads()]).toEqual([undefined, settled, 2]);
    ended.put('m3', settled);
    expect([ended.get('m2'), ended.get('m3'), ended.get('m4'), reads()]).toEqual([undefined, settled, undefined, 3]);
    expect(ended.end()).toBe(true);
  });

  test('what another process ended is found, whatever was remembered, in rows of several too', () => {
    const { ended, entries } = setUp();
    ended.begin(false);
    expect(ended.get('x1')).toBeUndefined();
    ended.end();
    entries.set('x1', { settled: ['x1', 'x9'], refused: [], forgetAt: 9 });
    ended.begin(false);
    expect(ended.get('x1')).toEqual(settled);
    ended.end();
    ended.begin(true);
    expect([ended.get('x1'), ended.get('x2')]).toEqual([settled, undefined]);
    expect(ended.end()).toBe(false);
  });

  test('the greatest id may be in any row of the last group, whatever its row is named by', () => {
    const { ended, entries } = setUp();
    entries.set('aaaaaa1', { settled: ['aaaaaa1', 'aaaaaa9'], refused: [], forgetAt: 9 });
    entries.set('aaaaaa5', { settled: ['aaaaaa5'], refused: [['aaaaaa7', { kind: 'dead', reason: 'TOKEN_REVOKED' }]], forgetAt: 9 });
    ended.begin(false);
    expect([ended.get('aaaaaa9'), ended.get('aaaaaa8')]).toEqual([settled, undefined]);
    expect(ended.get('aaaaaa7')).toEqual(refused);
  });

  test('outside of a commit everything is looked up, and nothing is changed', () => {
    const { ended, entries } = setUp();
    ended.begin(false);
    ended.get('a');
    ended.end();
    entries.set('b', settled);
    expect(ended.get('b')).toEqual(settled);
    expect(() => ended.put('c', settled)).toThrow('inside a commit');
    expect(() => ended.forget('b')).toThrow('inside a commit');
  });
});

describe('rows', () => {
  test('what one commit ended shares a row by the time of its ids, and is due with it', () => {
    const { entries, due, commit, found } = setUp();
    commit((rows) => {
      for (const id of ['aaaaaa2', 'aaaaaa1', 'bbbbbb1']) rows.put(id, settled);
      rows.put('aaaaaa3', { ...refused, forgetAt: 11 });
    });
    expect([...entries.keys()]).toEqual(['aaaaaa1', 'bbbbbb1']);
    expect(due).toEqual([
      [11, 'group', 'aaaaaa'],
      [9, 'group', 'bbbbbb'],
    ]);
    expect(found('aaaaaa2')).toEqual({ state: 'settled', forgetAt: 11 });
    expect([found('aaaaaa3'), found('bbbbbb1'), found('aaaaaa')]).toEqual([{ ...refused, forgetAt: 11 }, settled, undefined]);
  });

  test('what was captured stands by itself, may be settled, and is then found as such', () => {
    const { entries, commit, found } = setUp();
    commit((rows) => rows.put('m5', captured));
    expect(found('m5')).toEqual(captured);
    commit((rows) => {
      rows.forget('m5');
      rows.put('m4', settled);
      rows.put('m5', settled);
    });
    expect([entries.size, found('m5')]).toEqual([2, settled]);
  });

  test('a group is due once, however many commits add to it, and again for what is left of it', () => {
    const { ended, entries, due, commit, found } = setUp();
    for (const [at, id] of ['aaaaaa1', 'aaaaaa2', 'aaaaaa3', 'aaaaaa4'].entries()) {
      commit((rows) => rows.put(id, { state: 'settled', forgetAt: 9 + at }));
    }
    expect([entries.size, due]).toEqual([4, [[9, 'group', 'aaaaaa']]]);
    commit((rows) => expect(rows.forgetGroup('aaaaaa', { now: 10, max: 10 })).toBe(2));
    expect([found('aaaaaa2'), found('aaaaaa3')]).toEqual([undefined, { state: 'settled', forgetAt: 11 }]);
    expect(due.slice(1)).toEqual([[11, 'group', 'aaaaaa']]);
    expect(ended.isEmpty()).toBe(false);
    commit((rows) => expect(rows.forgetGroup('aaaaaa', { now: 99, max: 1 })).toBe(1));
    expect(due.slice(2)).toEqual([[12, 'group', 'aaaaaa']]);
    commit((rows) => expect(rows.forgetGroup('aaaaaa', { now: 99, max: 1 })).toBe(1));
    expect([ended.isEmpty(), due.length]).toEqual([true, 3]);
  });

  test('what is added to a group after it was forgotten is due too', () => {
    const { due, commit } = setUp();
    commit((rows) => rows.put('aaaaaa1', settled));
    commit((rows) => rows.forgetGroup('aaaaaa', { now: 9, max: 10 }));
    commit((rows) => rows.put('aaaaaa2', { state: 'settled', forgetAt: 20 }));
    expect(due).toEqual([
      [9, 'group', 'aaaaaa'],
      [20, 'group', 'aaaaaa'],
    ]);
  });

  test('a group takes nothing with it that stands by itself', () => {
    const { entries, commit, found } = setUp();
    entries.set('aaaaaa0', settled);
    commit((rows) => rows.put('aaaaaa5', captured));
    commit((rows) => expect(rows.forgetGroup('aaaaaa', { now: 99, max: 10 })).toBe(0));
    expect([found('aaaaaa0'), found('aaaaaa5')]).toEqual([settled, captured]);
  });

  test('what another process may have forgotten is planned anew', () => {
    const { ended, due, commit } = setUp();
    commit((rows) => rows.put('aaaaaa1', settled));
    ended.begin(false);
    ended.put('aaaaaa2', settled);
    ended.end();
    expect(due).toHaveLength(2);
  });

  test('a commit that failed leaves nothing behind for the next', () => {
    const { ended, entries, commit } = setUp();
    ended.begin(false);
    ended.put('a1', settled);
    ended.begin(false);
    ended.end();
    commit((rows) => rows.put('a2', settled));
    expect([...entries.keys()]).toEqual(['a2']);
  });

  test('whatever ends in whatever commits is found, and a row stays short', () => {
    const id = fc.integer({ min: 0, max: 4000 }).map((number) => `mabcd${(4_000_000 + number * 997).toString(36)}`);
    const commits = fc.array(fc.array(fc.record({ id, refuse: fc.boolean() }), { maxLength: 120 }), { maxLength: 6 });
    fc.assert(
      fc.property(commits, (all) => {
        const { entries, commit, found, due } = setUp();
        const expected = new Map<string, Ended>();
        for (const acts of all) {
          commit((rows) => {
            for (const { id: each, refuse } of acts) {
              const before = expected.get(each);
              expect(rows.get(each)).toEqual(before);
              if (before) continue;
              const end = refuse ? refused : settled;
              rows.put(each, end);
              expected.set(each, end);
            }
          });
        }
        for (const [each, end] of expected) expect(found(each)).toEqual(end);
        for (const row of entries.values()) expect(JSON.stringify(row).length).toBeLessThan(1900);
        const groups = new Set([...entries.keys()].map((key) => key.slice(0, 6)));
        expect(due.map(([, , name]) => name).sort()).toEqual([...groups].sort());
        for (const [, , group] of due) commit((rows) => rows.forgetGroup(group, { now: 9, max: 1000 }));
        expect(entries.size).toBe(0);
      }),
      { numRuns: 60 },
    );
  });
});
