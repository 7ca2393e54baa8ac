import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Checkpoint, chainRecord, checkpointText, firstPrev, type RecordFacts } from '../../src/domain/record.ts';
import { verifyLines } from '../../src/domain/verify-journal.ts';

const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const publicKeys: ReadonlyMap<string, KeyObject> = new Map([['k1', publicKey]]);

interface Made {
  readonly lines: string[];
  readonly hashes: string[];
}

/** A chain of records from `from` on, after `prev`. */
function chain(facts: readonly RecordFacts[], { from = 1, prev = firstPrev, partition = 'main' } = {}): Made {
  const lines: string[] = [];
  const hashes: string[] = [];
  for (const [index, each] of facts.entries()) {
    const before = hashes.at(-1) ?? prev;
    const { text, hash } = chainRecord({ facts: each, partition, seq: from + index, time: 1_784_116_800_000 + index, prev: before });
    lines.push(text);
    hashes.push(hash);
  }
  return { lines, hashes };
}

function plain(count: number): RecordFacts[] {
  return Array.from({ length: count }, (_, n) => ({ kind: 'call.refused', reason: 'RATE_LIMITED', requestId: `q${n}` }));
}

function checkpointAt(seq: number, hash: string, changes: Partial<Checkpoint> = {}): Checkpoint {
  const statement = { partition: 'main', seq, hash, time: '2026-07-15T12:00:00.000Z', ...changes };
  const signature = sign(null, Buffer.from(checkpointText(statement)), privateKey).toString('base64url');
  return { ...statement, kid: 'k1', signature, ...changes };
}

const ten = chain(plain(10));
const hashOf = (made: Made, seq: number): string => made.hashes[seq - 1] ?? '';
const verify = (lines: Iterable<string>, checkpoints: readonly Checkpoint[] = []) => verifyLines(lines, { checkpoints, publicKeys });
const firstFault = (lines: Iterable<string>, checkpoints: readonly Checkpoint[] = []) => verify(lines, checkpoints).faults[0];

test('a whole journal with its checkpoints verifies; lines may be read once only', () => {
  const checkpoints = [checkpointAt(4, hashOf(ten, 4)), checkpointAt(10, hashOf(ten, 10))];
  const report = verify(ten.lines.values(), checkpoints);
  expect(report).toEqual({ ok: true, records: 10, checkpoints: 2, firstSeq: 1, lastSeq: 10, faults: [], gaps: [] });
});

test('one edited byte anywhere is found, at its record', () => {
  const bytes = ten.lines.map((line) => Buffer.from(line));
  fc.assert(
    fc.property(fc.nat(9), fc.nat(10_000), fc.integer({ min: 1, max: 127 }), (index, at, change) => {
      const line = Buffer.from(bytes[index] ?? '');
      const position = at % line.length;
      line[position] = (line[position] ?? 0) ^ change;
      const lines = ten.lines.with(index, line.toString());
      expect(firstFault(lines)).toMatchObject({ seq: index + 1 });
    }),
    { numRuns: 2000, seed: 20_260_715 },
  );
});

describe('what is found', () => {
  const without = (seq: number): string[] => ten.lines.toSpliced(seq - 1, 1);

  test.each<[string, string[], number]>([
    ['a record removed', without(5), 5],
    ['the first record removed', without(1), 2],
    ['a record twice', ten.lines.toSpliced(5, 0, ten.lines[4] ?? ''), 6],
    ['two records changed places', ten.lines.with(3, ten.lines[4] ?? '').with(4, ten.lines[3] ?? ''), 4],
    [
      'a record replaced by one with a hash of its own',
      ten.lines.with(4, chain(plain(1), { from: 5, prev: hashOf(ten, 4) }).lines[0] ?? ''),
      6,
    ],
    ['a record put in', ten.lines.toSpliced(5, 0, chain(plain(1), { from: 6, prev: hashOf(ten, 4) }).lines[0] ?? ''), 6],
    ['a line that is no JSON', ten.lines.with(6, 'garbage'), 7],
    ['a line that is another JSON value', ten.lines.with(6, '[1]'), 7],
  ])('%s', (_what, lines, seq) => {
    const report = verify(lines);
    expect(report.faults[0]).toMatchObject({ partition: 'main', seq });
    expect(report.ok).toBe(false);
    expect(report.faults.length).toBeLessThan(5);
  });

  test('a cut tail, by a checkpoint beyond it; without one it cannot be known', () => {
    expect(firstFault(ten.lines.slice(0, 7), [checkpointAt(10, hashOf(ten, 10))])).toMatchObject({
      seq: 10,
      problem: expect.stringContaining('ends at 7'),
    });
    expect(firstFault([], [checkpointAt(10, hashOf(ten, 10))])).toMatchObject({
      seq: 10,
      problem: expect.stringContaining('has no records'),
    });
    expect(verify(ten.lines.slice(0, 7)).ok).toBe(true);
  });

  test('a journal written anew from some record on, by the checkpoint it no longer agrees with', () => {
    const forged = [...ten.lines.slice(0, 5), ...chain(plain(9).slice(4), { from: 6, prev: hashOf(ten, 5) }).lines];
    expect(verify(forged).ok).toBe(true);
    expect(firstFault(forged, [checkpointAt(8, hashOf(ten, 8))])).toMatchObject({
      seq: 8,
      problem: expect.stringContaining('not the one'),
    });
  });

  test('a checkpoint of an unknown key, and one whose statement was changed', () => {
    const good = checkpointAt(4, hashOf(ten, 4));
    expect(firstFault(ten.lines, [{ ...good, kid: 'k2' }])).toMatchObject({ seq: 4, problem: expect.stringContaining('unknown key') });
    expect(firstFault(ten.lines, [{ ...good, time: '2026-07-16T12:00:00.000Z' }])).toMatchObject({
      seq: 4,
      problem: expect.stringContaining('signature'),
    });
    expect(firstFault(ten.lines, [{ ...good, signature: '' }])).toMatchObject({ problem: expect.stringContaining('signature') });
  });

  test('damage everywhere is reported in bounds', () => {
    const report = verify(Array.from({ length: 5000 }, () => 'garbage'));
    expect(report.faults).toHaveLength(1000);
    expect(report.records).toBe(5000);
  });
});

describe('exports', () => {
  test('checkpoint lines may stand before, between and after the records', () => {
    const line = (seq: number): string => JSON.stringify({ checkpoint: checkpointAt(seq, hashOf(ten, seq)) });
    const lines = [line(9), ...ten.lines.slice(0, 5), line(5), ...ten.lines.slice(5), line(2), ''];
    expect(verify(lines)).toMatchObject({ ok: true, records: 10, checkpoints: 3 });
    const wrong = JSON.stringify({ checkpoint: checkpointAt(5, hashOf(ten, 6)) });
    expect(firstFault([...ten.lines, wrong])).toMatchObject({ seq: 5 });
  });

  test('a record cannot pass for a checkpoint, nor a malformed checkpoint for nothing', () => {
    expect(firstFault([...ten.lines, '{"checkpoint":{"seq":3}}'])).toMatchObject({ seq: 11 });
    const posing = chain([...plain(2), { kind: 'gap', checkpoint: checkpointAt(1, hashOf(ten, 1)) }]);
    expect(verify(posing.lines)).toMatchObject({ ok: true, records: 3, checkpoints: 0 });
  });

  test('a part of a journal verifies after what its reader vouches for', () => {
    const part = ten.lines.slice(4);
    expect(verifyLines(part, { checkpoints: [], publicKeys, anchor: { seq: 4, hash: hashOf(ten, 4) } })).toMatchObject({
      ok: true,
      firstSeq: 5,
    });
    expect(verifyLines(part, { checkpoints: [], publicKeys, anchor: { seq: 4, hash: hashOf(ten, 3) } }).faults[0]).toMatchObject({
      seq: 5,
    });
    expect(verifyLines(part, { checkpoints: [], publicKeys, anchor: { seq: 3, hash: hashOf(ten, 3) } }).faults[0]).toMatchObject({
      seq: 4,
    });
  });

  test('partitions are chains of their own', () => {
    const other = chain(plain(3), { partition: 'r2' });
    const mixed = ten.lines.flatMap((line, index) => [line, ...other.lines.slice(index, index + 1)]);
    const report = verify(mixed, [checkpointAt(3, other.hashes[2] ?? '', { partition: 'r2' })]);
    expect(report).toMatchObject({ ok: true, records: 13 });
    expect(report.lastSeq).toBeUndefined();
  });
});

describe('a pruned journal', () => {
  const pruned = chain([...plain(10), { kind: 'journal.pruned', fromSeq: 1, throughSeq: 6 }]);
  const kept = pruned.lines.slice(6);
  const anchor = checkpointAt(6, hashOf(pruned, 6));

  test('verifies from its signed anchor', () => {
    expect(verify(kept, [anchor])).toMatchObject({ ok: true, firstSeq: 7, lastSeq: 11 });
  });

  test('without the anchor, with the anchor of another record, or cut further than was pruned, it does not', () => {
    expect(firstFault(kept)).toMatchObject({ seq: 7, problem: expect.stringContaining('no signed anchor') });
    expect(firstFault(kept, [checkpointAt(6, hashOf(pruned, 5))])).toMatchObject({ seq: 7 });
    const further = [anchor, checkpointAt(7, hashOf(pruned, 7))];
    expect(firstFault(kept.slice(1), further)).toMatchObject({ seq: 8, problem: expect.stringContaining('pruned') });
  });

  test('an edited byte in its first record is found there', () => {
    for (let position = 0; position < (kept[0] ?? '').length; position += 1) {
      const line = Buffer.from(kept[0] ?? '');
      line[position] = (line[position] ?? 0) ^ 1;
      expect(firstFault([line.toString(), ...kept.slice(1)], [anchor])).toMatchObject({ seq: 7 });
    }
  });
});

test('gaps are listed with their place', () => {
  const made = chain([...plain(2), { kind: 'gap', from: 'a', to: 'b' }, { kind: 'gap' }]);
  expect(verify(made.lines).gaps).toEqual([{ seq: 3, from: 'a', to: 'b' }, { seq: 4 }]);
});
