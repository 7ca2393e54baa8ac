import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { inPartition } from '../../../src/adapters/redis/layout.ts';
import { beginSegment, emptySealed, parseSegment } from '../../../src/domain/segment.ts';
import { minute, start, testSigner } from '../../ports/subject.ts';
import { startRedis, type TestRedis } from '../../support/redis-server.ts';
import { everyLine, type JournalLife, type MemoryArchive, memoryArchive, openJournalLife } from './journal-life.ts';

const signer = testSigner();
let server: TestRedis;
let archive: MemoryArchive;
let lives: JournalLife[] = [];
let life: JournalLife;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
const open = async (options: Partial<Parameters<typeof openJournalLife>[1]> = {}): Promise<JournalLife> => {
  const opened = await openJournalLife(server.url, { signer, archive, ...options });
  lives.push(opened);
  return opened;
};
/** Six segments of ten records each over three partitions. */
beforeEach(async () => {
  await server.cli('FLUSHALL');
  archive = memoryArchive();
  life = await open();
  for (let n = 0; n < 60; n += 1) {
    await life.append(`p${n % 3}`, { fact: `fact ${n}` }, start + n);
    if (n % 10 === 9) await life.journal.checkpoint(start + n);
  }
});
afterEach(async () => {
  await Promise.all(lives.map((each) => each.close()));
  lives = [];
});

const textOf = (number: number): string => archive.texts.get(`segments ${number}`) ?? '';
const edit = (number: number, change: (text: string) => string): void =>
  void archive.texts.set(`segments ${number}`, change(textOf(number)));
const problems = async (of?: JournalLife): Promise<string[]> => {
  const report = await (of ?? (await open())).verify();
  expect(report.ok).toBe(report.faults.length === 0);
  return report.faults.map(({ partition, seq, problem }) => `${partition} ${seq}: ${problem}`);
};

test('what nobody touched verifies', async () => {
  expect(await problems()).toEqual([]);
  expect(await problems(life)).toEqual([]);
});

describe('found', () => {
  test.each([1, 3, 6])('an edited byte of a record in segment %i', async (number) => {
    edit(number, (text) => text.replace(/"fact":"fact/, '"fact":"fakt'));
    for (const each of [life, await open()]) {
      const found = await problems(each);
      expect(found).toContainEqual(expect.stringContaining('the record was changed'));
      expect(found).toContainEqual(`segments ${number}: its text is not the one that was sealed`);
    }
  });

  test('any byte of a segment, wherever it stands', async () => {
    const whole = textOf(4);
    for (let at = 3; at < whole.length; at += 257) {
      edit(4, () => `${whole.slice(0, at)}${whole[at] === 'x' ? 'y' : 'x'}${whole.slice(at + 1)}`);
      expect(await problems(life)).not.toEqual([]);
    }
    edit(4, () => whole);
    expect(await problems(life)).toEqual([]);
  });

  test.each([1, 3])('segment %i removed', async (number) => {
    archive.texts.delete(`segments ${number}`);
    const found = await problems();
    expect(found).toContainEqual(`segments ${number}: it is missing from the test archive`);
    expect(found).toContainEqual(expect.stringMatching(/missing or out of order|records 1 to \d+ are missing/));
  });

  test('the newest segments deleted, and nothing is sealed over them', async () => {
    for (const number of [5, 6]) archive.texts.delete(`segments ${number}`);
    const fresh = await open();
    expect(await problems(fresh)).toContainEqual(expect.stringContaining('segments 5 to 6 are missing from the test archive: it was cut'));
    await life.append('p1', { fact: 'next' });
    for (const each of [life, fresh]) {
      await expect(each.journal.head()).rejects.toThrow('segments 5 to 6 are missing');
      await expect(each.journal.checkpoint(start)).rejects.toThrow('cannot be sealed');
    }
    expect(await life.connection.client.xlen(inPartition.journal('p1'))).toBe(1);
    expect(archive.texts.has('segments 5')).toBe(false);
  });

  test('the whole archive emptied, or another one configured', async () => {
    const other = memoryArchive('another archive');
    const elsewhere = await open({ archive: other });
    await life.append('p1');
    await expect(elsewhere.journal.head()).rejects.toThrow('segments 1 to 6 are missing from another archive');
    expect(other.texts.size).toBe(0);
    expect(await problems(elsewhere)).toContainEqual(expect.stringContaining('missing from another archive'));
  });

  test("another store's archive, as long as ours", async () => {
    const second = await startRedis();
    const theirs = memoryArchive('their archive');
    const they = await openJournalLife(second.url, { signer, archive: theirs });
    try {
      for (let n = 0; n < 6; n += 1) {
        await they.append('p1');
        await they.journal.head();
      }
      const confused = await open({ archive: theirs });
      await life.append('p1');
      await expect(confused.journal.head()).rejects.toThrow('belongs to another archive');
      expect(await problems(confused)).not.toEqual([]);
      expect(await theirs.newest('segments')).toBe(6);
    } finally {
      await they.close();
      await second.stop();
    }
  });

  test('an archive, after Redis lost everything', async () => {
    await server.cli('FLUSHALL');
    await life.append('p1');
    await expect((await open()).journal.head()).rejects.toThrow('this store knows of none');
    await expect(life.journal.head()).rejects.toThrow('this store knows of none');
    expect(await problems()).toContainEqual(expect.stringContaining('this store knows of none'));
  });

  test('a segment forged by who has no signing key, in place of one or after the newest', async () => {
    const forger = testSigner();
    const forged = (text: string, number: number): string => {
      const before = parseSegment(text);
      const segment = beginSegment({ ...emptySealed(before.seal?.archive ?? ''), number: number - 1, line: before.line, next: 61 });
      segment.add({ partition: 'p9', seq: 1, time: start, facts: { kind: 'call.refused' } });
      return segment.finish({ now: start, signer: { kid: signer.kid, sign: forger.sign } }).text;
    };
    const kept = textOf(6);
    archive.texts.set('segments 7', forged(kept, 7));
    expect(await problems()).toContainEqual('segments 7: its signature is wrong');
    await life.append('p1');
    for (const each of [life, await open()]) await expect(each.journal.head()).rejects.toThrow('segment 7: its signature is wrong');
    archive.texts.delete('segments 7');
    await life.journal.head();
    edit(6, () => forged(textOf(5), 6));
    expect(await problems()).toContainEqual('segments 6: its signature is wrong');
  });

  test('an earlier segment put in place of a later one, with its own true signature', async () => {
    edit(4, () => textOf(3));
    expect(await problems()).toContainEqual('segments 4: it is segment 3');
  });

  test('an entry deleted from the intake, before it is sealed and for ever after', async () => {
    for (const fact of ['a', 'b', 'c']) await life.append('p1', { fact });
    await life.connection.client.xdel(inPartition.journal('p1'), '22-0');
    expect(await problems()).toEqual(['p1 22: entry 22 was taken out of Redis before being sealed']);
    await life.journal.head();
    expect(life.told).toEqual(['journal entries are missing: p1: 22 were taken out of Redis before they were sealed']);
    expect(await problems()).toEqual(['p1 22: record 22 is missing or out of order: record 23 stands in its place']);
    await life.append('p1', { fact: 'd' });
    await life.journal.head();
    expect(await problems()).toHaveLength(1);
  });

  test('the last entry deleted from the intake, or all of them', async () => {
    for (const fact of ['a', 'b']) await life.append('p1', { fact });
    await life.connection.client.xdel(inPartition.journal('p1'), '22-0');
    expect(await problems()).toEqual(['p1 22: entry 22 was taken out of Redis before being sealed']);
    await life.connection.client.del(inPartition.journal('p1'));
    expect(await problems()).toEqual(['p1 21: entries 21 to 22 were taken out of Redis before being sealed']);
    await life.append('p1', { fact: 'c' });
    expect(await life.journal.head()).toBe(61);
    expect(await problems()).toEqual(['p1 21: record 21 is missing or out of order: record 23 stands in its place']);
  });

  test('an entry that was put into the intake by hand is not sealed', async () => {
    await life.append('p1', { fact: 'true' });
    await life.connection.client.xadd(inPartition.journal('p1'), '900-0', '1', '{"kind":"gap"}');
    expect(await problems()).toEqual(['p1 22: an entry stands in Redis that keygate did not write: 900-0']);
    expect(await life.journal.head()).toBe(61);
    expect(life.told).toEqual(['entries in the journal that keygate did not write: p1: 900-0']);
  });

  test('a cut front, where nothing was pruned', async () => {
    for (const number of [1, 2]) archive.texts.delete(`segments ${number}`);
    await server.cli('HSET', 'kg:{archive}:note', 'pruned', '2', 'position', '20');
    const found = await problems();
    expect(found).toContainEqual('segments 1: it is missing from the test archive');
    expect(found).toContainEqual(expect.stringContaining('no signed anchor stands for them'));
  });

  test('anchors that were edited', async () => {
    life.clock.step(minute);
    expect(await life.journal.prune({ before: start + 20, now: life.clock.now() })).toBe(20);
    expect(await problems()).toEqual([]);
    const anchors = archive.texts.get('anchors 2') ?? '';
    archive.texts.set('anchors 2', anchors.replace('"position":20', '"position":19'));
    expect(await problems()).toContainEqual(expect.stringContaining('the anchors of the pruned segments up to 2 cannot be believed'));
    archive.texts.delete('anchors 2');
    expect(await problems()).not.toEqual([]);
  });
});

test('a damaged segment in the middle stops neither reading nor sealing, and what was damaged is never pruned', async () => {
  edit(2, (text) => text.slice(0, text.length / 2));
  edit(3, () => 'not a segment\n');
  await life.append('p1', { fact: 'next' });
  expect(await life.journal.head()).toBe(61);
  const fresh = await open();
  const lines = await everyLine(fresh.journal, 7);
  expect(lines).toContainEqual(expect.stringContaining('"fact":"next"'));
  expect(lines.length).toBeGreaterThan(40);
  life.clock.step(minute);
  await expect(life.journal.prune({ before: start + minute, now: life.clock.now() })).rejects.toThrow(
    'segment 2: its last line is not a seal',
  );
  expect(archive.texts.has('segments 1')).toBe(true);
});
