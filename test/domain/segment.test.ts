import { createPublicKey } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { composeAnchors, readAnchors } from '../../src/domain/anchors.ts';
import { segmentProblem } from '../../src/domain/check-segment.ts';
import { firstPrev } from '../../src/domain/record.ts';
import { beginSegment, type Draft, emptySealed, orderDrafts, parseSegment, type Sealed } from '../../src/domain/segment.ts';
import { membersOfLine } from '../../src/domain/signed-line.ts';
import { verifyLines } from '../../src/domain/verify-journal.ts';
import { start, testSigner } from '../ports/subject.ts';

const signer = testSigner();
const { publicKeys } = signer;

function segmentOf(before: Sealed, drafts: readonly Draft[], now = start) {
  const segment = beginSegment(before);
  for (const draft of drafts) segment.add(draft);
  return segment.finish({ now, signer });
}
const draft = (partition: string, seq: number, fact: unknown = seq, time = start + seq): Draft => ({
  ...{ partition, seq, time },
  facts: { kind: 'call.refused', fact },
});
const problem = (text: string, place: Parameters<typeof segmentProblem>[1]['place'] = { number: 1 }, keys = publicKeys) =>
  segmentProblem(parseSegment(text), { publicKeys: keys, place });

describe('a segment', () => {
  const first = segmentOf(emptySealed('one'), [draft('p1', 1), draft('p2', 1), draft('p1', 2)]);
  const second = segmentOf(first.sealed, [draft('p1', 3)], start + 5);

  test('chains each partition, and says where it stands', () => {
    const { records, checkpoints, seal } = parseSegment(second.text);
    expect(seal).toMatchObject({
      v: 1,
      archive: 'one',
      number: 2,
      first: 4,
      records: 1,
      latest: start + 3,
      full: false,
      prev: first.sealed.line,
    });
    expect(JSON.parse(records[0] ?? '')).toMatchObject({ partition: 'p1', seq: 3, prev: first.sealed.checkpoints.get('p1')?.hash });
    expect(checkpoints).toEqual(second.signed);
    expect(second.sealed).toMatchObject({ number: 2, next: 5 });
    expect(second.sealed.checkpoints.get('p2')).toBe(first.sealed.checkpoints.get('p2'));
  });

  test('its records and checkpoints verify as a journal, and one file after the other too', () => {
    const lines = [first, second].flatMap(({ text }) => text.split('\n').filter((line) => !line.startsWith('{"segment":')));
    expect(verifyLines(lines, { checkpoints: [], publicKeys })).toMatchObject({ ok: true, records: 4, checkpoints: 3 });
  });

  test('in its place it is right, in another it is not', () => {
    expect(problem(first.text, { number: 1, archive: 'one', prev: firstPrev, first: 1 })).toBeUndefined();
    expect(problem(second.text, { number: 2, archive: 'one', prev: first.sealed.line, first: 4 })).toBeUndefined();
    expect(problem(second.text, { number: 3 })).toBe('it is segment 2');
    expect(problem(second.text, { number: 2, archive: 'two' })).toContain('another archive (one)');
    expect(problem(second.text, { number: 2, prev: firstPrev })).toContain('does not follow segment 1');
    expect(problem(second.text, { number: 2, first: 9 })).toBe('its first record is 4, not 9');
    expect(problem(second.text, { number: 2 }, new Map())).toBe('it is signed by an unknown key (test-key)');
    expect(problem(second.text, { number: 2 }, testSigner().publicKeys)).toBe('its signature is wrong');
  });

  test('no change of one character goes unseen', () => {
    fc.assert(
      fc.property(fc.nat(first.text.length - 2), fc.string({ minLength: 1, maxLength: 1 }), (at, put) => {
        fc.pre(first.text[at] !== put);
        expect(problem(`${first.text.slice(0, at)}${put}${first.text.slice(at + 1)}`)).toBeDefined();
      }),
      { numRuns: 300 },
    );
    const end = first.text.lastIndexOf('"}') - 1;
    for (const put of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'.replace(first.text[end] ?? '', '')) {
      expect(problem(`${first.text.slice(0, end)}${put}${first.text.slice(end + 1)}`)).toBe('its signature is wrong');
    }
    for (const cut of ['', '\n', first.text.slice(0, -10), first.text.slice(10), `${first.text}\n{}`]) expect(problem(cut)).toBeDefined();
  });

  test('texts with line separators and odd characters come back as they are', () => {
    const odd = 'a\nb\r\n\u2028 \u0000 \ud800 {"segment":1} {"checkpoint":1}';
    const { text } = segmentOf(emptySealed('one'), [draft('p1', 1, odd)]);
    expect(problem(text)).toBeUndefined();
    expect(parseSegment(text).records.map((line) => JSON.parse(line).fact)).toEqual([odd]);
  });

  test('the first one, every sixty-fourth after it, and long ones state all partitions', () => {
    let { sealed } = segmentOf(emptySealed('one'), [draft('p9', 1)]);
    const full: number[] = [];
    for (let seq = 1; seq <= 140; seq += 1) {
      const segment = segmentOf(sealed, [draft('p1', seq, seq === 100 ? 'x'.repeat(20_000) : seq)]);
      const { seal, checkpoints } = parseSegment(segment.text);
      if (seal?.full) full.push(seal.number);
      expect(checkpoints.map(({ partition }) => partition).sort()).toEqual(seal?.full ? ['p1', 'p9'] : ['p1']);
      sealed = segment.sealed;
    }
    expect(full).toEqual([65, 101, 129]);
  });

  test('lines that look like a seal and are none', () => {
    for (const line of ['{"segment":null}', '{"segment":{"v":2}}', '{"segment":', '{"segment":{"v":1,"number":-1}}', '[]']) {
      expect(parseSegment(`{"v":1}\n${line}\n`).seal).toBeUndefined();
    }
    expect(membersOfLine('segment', '{"segment":7}')).toBeUndefined();
    expect(membersOfLine('segment', ' {"segment":{}}')).toBeUndefined();
  });
});

test('drafts are ordered by time, and within a partition by number whatever the clock did', () => {
  const times = fc.array(fc.record({ partition: fc.constantFrom('p1', 'p2', 'p30'), time: fc.nat(50) }), { maxLength: 60 });
  fc.assert(
    fc.property(times, (given) => {
      const seqs = new Map<string, number>();
      const drafts = given.map(({ partition, time }) => {
        const seq = (seqs.get(partition) ?? 0) + 1;
        seqs.set(partition, seq);
        return draft(partition, seq, seq, time);
      });
      const ordered = orderDrafts([...drafts].reverse());
      expect(ordered).toHaveLength(drafts.length);
      for (const name of seqs.keys()) {
        const own = ordered.filter(({ partition }) => partition === name).map(({ seq }) => seq);
        expect(own).toEqual(Array.from({ length: own.length }, (_, at) => at + 1));
      }
      const forward = given.every(({ time }, at) => at === 0 || time >= (given[at - 1]?.time ?? 0));
      if (forward) expect(ordered.map(({ time }) => time)).toEqual(given.map(({ time }) => time));
    }),
  );
});

describe('anchors', () => {
  const stated = {
    v: 1,
    archive: 'one',
    through: 7,
    position: 70,
    line: firstPrev,
    time: '2026-07-15T12:00:00.000Z',
    checkpoints: [],
  } as const;
  const text = composeAnchors(stated, signer);
  const right = { publicKeys, archive: 'one', through: 7 };

  test('are believed in their place alone', () => {
    expect(readAnchors(text, right)).toEqual(stated);
    expect(readAnchors(text, { ...right, archive: 'two' })).toEqual({ problem: 'they belong to another archive (one)' });
    expect(readAnchors(text, { ...right, through: 8 })).toEqual({ problem: 'they stand for segments up to 7' });
    expect(readAnchors(text, { ...right, publicKeys: new Map([['test-key', createPublicKey(other())]]) })).toEqual({
      problem: 'its signature is wrong',
    });
    expect(readAnchors('{}', right)).toMatchObject({ problem: expect.stringContaining('not anchors') });
  });

  test('a segment seal is no anchor, though the same key signed it', () => {
    const { text: segment } = segmentOf(emptySealed('one'), [draft('p1', 1)]);
    const seal = segment.trimEnd().split('\n').at(-1) ?? '';
    expect(readAnchors(seal.replace('{"segment":{', '{"anchors":{"checkpoints":[],'), right)).toMatchObject({
      problem: expect.any(String),
    });
  });
});

function other() {
  const [key] = testSigner().publicKeys.values();
  if (!key) throw new Error('no key');
  return key.export({ format: 'pem', type: 'spki' });
}
