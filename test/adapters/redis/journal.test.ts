import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { everyPartition, inPartition } from '../../../src/adapters/redis/layout.ts';
import { minute, start, testSigner } from '../../ports/subject.ts';
import { startRedis, type TestRedis } from '../../support/redis-server.ts';
import { dying, everyLine, type JournalLife, type MemoryArchive, memoryArchive, openJournalLife } from './journal-life.ts';
import { dyingAt } from './life.ts';

const signer = testSigner();
let server: TestRedis;
let lives: JournalLife[] = [];
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(() => server.cli('FLUSHALL'));
afterEach(async () => {
  await Promise.all(lives.map((life) => life.close()));
  lives = [];
});

const open = async (options: Partial<Parameters<typeof openJournalLife>[1]> = {}): Promise<JournalLife> => {
  const life = await openJournalLife(server.url, { signer, ...options });
  lives.push(life);
  return life;
};
const factsOf = async (life: JournalLife): Promise<string[]> =>
  (await everyLine(life.journal)).map((line) => String(JSON.parse(line).fact));
const waiting = async (life: JournalLife): Promise<number> => {
  const lengths = await Promise.all(everyPartition().map((partition) => life.connection.client.xlen(inPartition.journal(partition))));
  return lengths.reduce((sum, length) => sum + length, 0);
};

describe('sealing', () => {
  test('records of many partitions are chained, trimmed from Redis, read in order of time and verify', async () => {
    const life = await open();
    for (let n = 0; n < 60; n += 1) await life.append(`p${n % 7}`, { fact: `${n}` }, start + n);
    expect(await life.journal.head()).toBe(60);
    expect(await factsOf(life)).toEqual(Array.from({ length: 60 }, (_, n) => `${n}`));
    expect(await waiting(life)).toBe(0);
    expect(await life.verify()).toMatchObject({ ok: true, records: 60, checkpoints: 7 });
    await life.append('p200', { fact: 'later' });
    expect(await life.journal.checkpoint(start + minute)).toMatchObject([{ partition: 'p200', seq: 1 }]);
    expect(await life.journal.checkpoint(start + minute)).toEqual([]);
    expect(await life.verify()).toMatchObject({ ok: true, records: 61, checkpoints: 8 });
  });

  test('a clock that goes back moves no record before the one it follows', async () => {
    const life = await open();
    for (const [fact, time] of [
      ['one', 50],
      ['two', 10],
      ['three', 60],
    ] as const)
      await life.append('p1', { fact }, start + time);
    await life.append('p2', { fact: 'other' }, start + 20);
    await life.journal.head();
    expect(await factsOf(life)).toEqual(['other', 'one', 'two', 'three']);
    expect(await life.verify()).toMatchObject({ ok: true });
  });

  test('ten thousand and more records over 40 partitions, in batches, read from any position', async () => {
    const life = await open();
    const many = 12_000;
    for (let n = 0; n < many; n += 2000) {
      await Promise.all(Array.from({ length: 2000 }, (_, m) => life.append(`p${(n + m) % 40}`, { fact: `${n + m}` }, start + n + m)));
    }
    await life.journal.keepUp(start);
    expect(await life.journal.head()).toBe(many);
    expect(await waiting(life)).toBe(0);
    expect(await life.verify()).toMatchObject({ ok: true, records: many, checkpoints: 40 });
    const lines = await life.journal.read({ after: 0, limit: many });
    expect(await life.journal.read({ after: 9_998, limit: 5 })).toEqual(lines.slice(9_998, 10_003));
    expect(await life.journal.read({ after: many, limit: 5 })).toEqual([]);
  });

  test('fewer than thousands of entries wait for the next checkpoint', async () => {
    const life = await open();
    await life.append('p1');
    await life.journal.keepUp(start);
    expect(await waiting(life)).toBe(1);
  });

  test('segments beyond the first of many tell the checkpoints of all partitions to whoever begins to seal', async () => {
    const first = await open();
    await first.append('p255', { fact: 'quiet' });
    for (let n = 0; n < 70; n += 1) {
      await first.append(`p${n % 3}`, { fact: `${n}` });
      await first.journal.checkpoint(start);
    }
    const second = await open();
    await second.append('p255', { fact: 'again' });
    await second.journal.head();
    expect(await second.verify()).toMatchObject({ ok: true, records: 72, checkpoints: 4 });
  });

  test('an entry that cannot be read keeps its place as a gap', async () => {
    const life = await open();
    await life.append('p1', { fact: 'one' });
    await life.connection.client.multi().incr(inPartition.seq('p1')).xadd(inPartition.journal('p1'), '2-0', 'NaN', '{').exec();
    await life.connection.client
      .multi()
      .incr(inPartition.seq('p1'))
      .xadd(inPartition.journal('p1'), '3-0', '1e300', '{"kind":"gap"}')
      .exec();
    await life.append('p1', { fact: 'four', seq: 9 });
    await life.append('p1', { fact: 'five' });
    await life.journal.head();
    expect(await life.verify()).toMatchObject({ ok: true, records: 5, gaps: [{ seq: 2 }, { seq: 3 }, { seq: 4 }] });
    expect(await waiting(life)).toBe(0);
  });
});

test('facts that were printed otherwise than gateways print them are chained all the same, in one line', async () => {
  const life = await open();
  const texts = [
    '{\n"kind":"call.refused",\n"fact":"lines"}',
    ' {"kind":"call.refused","fact":"spaces"} ',
    '{ "kind":"call.refused","fact":"space"}',
  ];
  const { client } = life.connection;
  const row = texts.flatMap((text) => ['1784116800000', text]);
  await client
    .multi()
    .incrby(inPartition.seq('p1'), 3)
    .xadd(inPartition.journal('p1'), '1-2', ...row)
    .exec();
  await life.append('p1', { fact: 'after' });
  await life.journal.head();
  expect(await factsOf(life)).toEqual(['lines', 'spaces', 'space', 'after']);
  expect(await life.verify()).toMatchObject({ ok: true, records: 4, gaps: [] });
});

describe('broken off', () => {
  const calls = ['newest segments', 'newest anchors', 'put segments 2', 'get segments 1'];
  const scripts = ['archive-note', 'journal-trim'];
  const fill = async (life: JournalLife) => {
    for (let n = 0; n < 20; n += 1) await life.append(`p${n % 4}`, { fact: `${n}` }, start + n);
  };
  const expectAll = async (life: JournalLife, times: number) => {
    await life.journal.head();
    expect((await factsOf(life)).sort()).toEqual(Array.from({ length: 20 * times }, (_, n) => `${n % 20}`).sort());
    expect(await life.verify()).toMatchObject({ ok: true, records: 20 * times, gaps: [] });
    expect(await waiting(life)).toBe(0);
    expect(life.told).toEqual([]);
  };

  test.each(calls.flatMap((call) => (['before', 'after'] as const).map((when) => [when, call] as const)))(
    '%s %s, nothing is lost or doubled',
    async (when, call) => {
      const archive = memoryArchive();
      const first = await open({ archive });
      await fill(first);
      await first.journal.head();
      await fill(first);
      let left = 1;
      const broken = await open({ archive: dying(archive, (name) => (name === call && left-- > 0 ? when : undefined)) });
      await expect(broken.journal.checkpoint(start)).rejects.toThrow(`died ${when} ${call}`);
      await expectAll(await open({ archive }), 2);
      await fill(broken);
      await expectAll(broken, 3);
    },
  );

  test.each(scripts)('before %s, nothing is lost or doubled', async (script) => {
    const first = await open();
    await fill(first);
    await first.journal.head();
    await fill(first);
    const broken = await open({ wrap: dyingAt((name) => name === script) });
    await expect(broken.journal.checkpoint(start)).rejects.toThrow('this process died');
    await expectAll(await open(), 2);
    await fill(first);
    await expectAll(first, 3);
  });

  test('a script that is sent twice changes nothing', async () => {
    const life = await open({
      wrap: (connection) => ({
        ...connection,
        run: async (...call) => {
          await connection.run(...call);
          return connection.run(...call);
        },
      }),
    });
    await fill(life);
    await expectAll(life, 1);
  });

  test('a sealer in Redis that died before its segment was listed is found by the next one', async () => {
    const life = await open();
    await fill(life);
    await life.journal.head();
    const noted = await server.cli('HMGET', 'kg:{archive}:note', 'number', 'line');
    const [number = '', line = ''] = noted.split('\n');
    await fill(life);
    await life.journal.head();
    await server.cli('ZREM', 'kg:{archive}:segments', '2');
    await server.cli('HSET', 'kg:{archive}:note', 'number', number, 'line', line);
    const next = await open();
    await fill(next);
    await expectAll(next, 3);
  });

  test('a put whose answer was lost and that is sent again says that the number is taken, and sealing goes on', async () => {
    const archive = memoryArchive();
    const life = await open({
      archive: { ...archive, put: async (name, text) => (await archive.put(name, text)) && archive.put(name, text) },
    });
    await fill(life);
    await expectAll(life, 1);
    expect(await archive.newest('segments')).toBe(1);
  });
});

describe('several at once', () => {
  test('sealers without any duty, while records are written, lose and double nothing', async () => {
    const archive = memoryArchive();
    const three = await Promise.all(Array.from({ length: 3 }, () => open({ archive })));
    const [one] = three;
    let written = 0;
    for (let round = 0; round < 15; round += 1) {
      const writing = Array.from({ length: 40 }, () => one?.append(`p${written % 9}`, { fact: `${written++}` }));
      await Promise.all([...writing, ...three.map(({ journal }) => journal.head())]);
    }
    for (const life of three) {
      await life.journal.head();
      expect((await factsOf(life)).map(Number).sort((a, b) => a - b)).toEqual(Array.from({ length: written }, (_, n) => n));
      expect(await life.verify()).toMatchObject({ ok: true, records: written, gaps: [] });
      expect(life.told).toEqual([]);
    }
  });

  test('the head waits for another sealer, and does without one that is stuck', async () => {
    const life = await open();
    await life.append('p1');
    await server.cli('SET', 'kg:{duty}:seal:holder', 'another', 'PX', '10000');
    expect(await life.journal.checkpoint(start)).toEqual([]);
    expect(await life.journal.head()).toBe(1);
  });
});

describe('A44: a failover that lost acknowledged writes', () => {
  /** Sets a partition back to what it was, as another server does that had not got the last writes. */
  const setBack = async (life: JournalLife, partition: string, act: () => Promise<void>) => {
    const { client } = life.connection;
    const names = [inPartition.seq(partition), inPartition.journal(partition), inPartition.moved(partition)];
    const kept = await Promise.all(names.map((name) => client.dumpBuffer(name)));
    await act();
    for (const [at, name] of names.entries()) {
      await client.del(name);
      const dump = kept[at];
      if (dump) await client.restore(name, 0, dump);
    }
  };

  test('no number is given out twice, and a gap record says what the ledger no longer shows', async () => {
    const life = await open();
    for (const fact of ['one', 'two']) await life.append('p3', { fact });
    await setBack(life, 'p3', async () => {
      for (const fact of ['three', 'four']) await life.append('p3', { fact });
      await life.journal.head();
    });
    expect(await life.journal.faults()).toMatchObject([{ partition: 'p3', seq: 3, problem: expect.stringContaining('stands at 2') }]);
    await life.journal.head();
    await life.append('p3', { fact: 'after' });
    await life.journal.head();
    expect(await factsOf(life)).toEqual(['one', 'two', 'three', 'four', 'undefined', 'after']);
    const gap = (await everyLine(life.journal)).map((line) => JSON.parse(line)).find(({ kind }) => kind === 'gap');
    expect(gap).toMatchObject({ partition: 'p3', seq: 5, fromSeq: 3, throughSeq: 4 });
    expect(await life.verify()).toMatchObject({ ok: true, records: 6 });
    expect(life.told).toEqual([expect.stringContaining('p3: records 3 to 4')]);
  });

  test.each([
    ['fewer', ['x']],
    ['as many', ['x', 'y']],
    ['more', ['x', 'y', 'z']],
  ])('records that got numbers which are sealed for others (%s of them) are kept under new ones', async (_, again) => {
    const life = await open();
    for (const fact of ['one', 'two']) await life.append('p3', { fact });
    await setBack(life, 'p3', async () => {
      for (const fact of ['three', 'four']) await life.append('p3', { fact });
      await life.journal.head();
    });
    for (const fact of again) await life.append('p3', { fact });
    const other = await open();
    await other.journal.head();
    expect((await factsOf(other)).filter((fact) => fact !== 'undefined').sort()).toEqual(['four', 'one', 'three', 'two', ...again].sort());
    expect(await other.verify()).toMatchObject({ ok: true, gaps: [{ seq: expect.any(Number) }] });
    expect(await waiting(other)).toBe(0);
  });

  const rowOf = (facts: readonly string[]) => facts.map((fact) => ({ fact }));

  test.each([
    ['one that begins and ends where the lost ones did', [['v', 'w', 'x', 'y']]],
    ['one that ends within', [['v', 'w', 'x']]],
    ['one that goes on behind them', [['u', 'v', 'w', 'x', 'y', 'z']]],
    ['one within, one that goes on, and one behind', [['t'], ['u', 'v', 'w', 'x', 'y'], ['z']]],
    ['one that begins with a record that was sealed, because its call was sent again', [['a', 'v', 'w', 'x', 'y', 'z'], ['q']]],
  ])('rows of several records that got numbers of others: %s', async (_, rows) => {
    const life = await open();
    await life.appendRow('p3', rowOf(['one', 'two']));
    await setBack(life, 'p3', async () => {
      await life.appendRow('p3', rowOf(['a', 'b', 'c']));
      await life.appendRow('p3', rowOf(['d']));
      await life.journal.head();
    });
    for (const row of rows) await life.appendRow('p3', rowOf(row));
    const other = await open();
    await other.journal.head();
    const all = [...new Set(['one', 'two', 'a', 'b', 'c', 'd', ...rows.flat()])].sort();
    expect((await factsOf(other)).filter((fact) => fact !== 'undefined').sort()).toEqual(all);
    expect(await other.verify()).toMatchObject({ ok: true, gaps: [{ seq: expect.any(Number) }] });
    await other.appendRow('p3', rowOf(['after', 'that']));
    await life.journal.head();
    expect((await factsOf(life)).filter((fact) => fact !== 'undefined').sort()).toEqual([...all, 'after', 'that'].sort());
    expect(await life.verify()).toMatchObject({ ok: true, gaps: [{ seq: expect.any(Number) }] });
    expect(await waiting(life)).toBe(0);
  });

  test('what a row lost to others moves once, whoever looks at it, and after another failover too', async () => {
    const life = await open();
    await life.appendRow('p3', rowOf(['one', 'two']));
    await setBack(life, 'p3', async () => {
      await life.appendRow('p3', rowOf(['a', 'b', 'c']));
      await life.journal.head();
    });
    await life.appendRow('p3', rowOf(['t', 'u', 'v', 'w', 'x']));
    // What was moved is known to the server that takes over, what was sealed of it is not.
    await life.journal.checkpoint(life.clock.now());
    await life.appendRow('p3', rowOf(['y']));
    await setBack(life, 'p3', async () => {
      await life.appendRow('p3', rowOf(['z']));
      await life.journal.head();
    });
    await life.appendRow('p3', rowOf(['p', 'q', 'r']));
    await (await open()).journal.head();
    const facts = (await factsOf(life)).filter((fact) => fact !== 'undefined').sort();
    expect(facts).toEqual(['a', 'b', 'c', 'one', 'p', 'q', 'r', 't', 'two', 'u', 'v', 'w', 'x', 'y', 'z']);
    expect(await life.verify()).toMatchObject({ ok: true });
    expect(await waiting(life)).toBe(0);
  });

  test('more entries than one script moves, in rows and marked ones among them', async () => {
    const life = await open();
    await life.append('p3', { fact: 'first' });
    const many = (name: string) => Array.from({ length: 150 }, (_, at) => `${name}${at}`);
    await setBack(life, 'p3', async () => {
      for (const name of ['a', 'b', 'c', 'd', 'e']) await life.appendRow('p3', rowOf(many(name)));
      await life.journal.head();
    });
    for (const name of ['v', 'w', 'x', 'y']) await life.appendRow('p3', rowOf(many(name)));
    const marked = JSON.stringify({ is: 'dead', reason: 'TOKEN_REVOKED' });
    const fields = many('z').flatMap((fact, at) => ['1', JSON.stringify({ kind: 'call.intent', fact }), ...(at % 2 ? ['m', marked] : [])]);
    const { client } = life.connection;
    await client
      .multi()
      .incrby(inPartition.seq('p3'), 150)
      .xadd(inPartition.journal('p3'), '602-149', ...fields)
      .exec();
    await life.journal.head();
    const facts = (await factsOf(life)).filter((fact) => fact !== 'undefined').sort();
    expect(facts).toEqual(['first', ...['a', 'b', 'c', 'd', 'e', 'v', 'w', 'x', 'y', 'z'].flatMap(many)].sort());
    const refused = (await everyLine(life.journal)).filter((line) => line.includes('TOKEN_REVOKED'));
    expect(refused).toHaveLength(75);
    expect(await life.verify()).toMatchObject({ ok: true });
    expect(await waiting(life)).toBe(0);
  });

  test('a failover between sealing and trimming trims nothing that is not sealed', async () => {
    const archive = memoryArchive();
    const first = await open();
    let armed = true;
    const life = await open({
      archive: {
        ...archive,
        put: async (name, text) => {
          const kept = await archive.put(name, text);
          if (armed && name.number === 1) {
            armed = false;
            await first.connection.client.del(inPartition.seq('p3'), inPartition.journal('p3'));
            for (const fact of ['x', 'y', 'z']) await first.append('p3', { fact });
          }
          return kept;
        },
      },
    });
    for (const fact of ['one', 'two']) await life.append('p3', { fact });
    await life.journal.head();
    await life.journal.head();
    expect((await factsOf(life)).filter((fact) => fact !== 'undefined').sort()).toEqual(['one', 'two', 'x', 'y', 'z']);
    expect(await life.verify()).toMatchObject({ ok: true });
  });
});

describe('pruning', () => {
  const history = async (archive?: MemoryArchive): Promise<JournalLife> => {
    const life = await open(archive ? { archive } : {});
    for (let n = 0; n < 30; n += 1) {
      await life.append(`p${n % 3}`, { fact: `${n}` });
      await life.journal.checkpoint(life.clock.now());
      life.clock.step(minute);
    }
    return life;
  };

  test('drops whole segments, and the rest verifies, also for another process', async () => {
    const life = await history();
    expect(await life.journal.prune({ before: start + 10 * minute, now: life.clock.now() })).toBe(10);
    for (const each of [life, await open()]) {
      expect((await factsOf(each)).slice(0, 20)).toEqual(Array.from({ length: 20 }, (_, n) => `${n + 10}`));
      expect(await each.verify()).toMatchObject({ ok: true, records: 23 });
    }
    const [line] = await life.journal.read({ after: 0, limit: 1 });
    expect(line?.position).toBe(11);
    expect(await life.journal.prune({ before: start + 10 * minute, now: life.clock.now() })).toBe(0);
    expect(await life.journal.prune({ before: start + 20 * minute, now: life.clock.now() })).toBe(10);
    expect(await life.verify()).toMatchObject({ ok: true, records: 16 });
  });

  test('everything that is old goes, even what was the newest segment, and the chain goes on', async () => {
    const life = await history();
    expect(await life.journal.prune({ before: life.clock.now(), now: life.clock.now() })).toBe(30);
    expect((await everyLine(life.journal)).map((line) => JSON.parse(line).kind)).toEqual(Array(3).fill('journal.pruned'));
    await life.append('p7', { fact: 'new' });
    await life.journal.head();
    const other = await open();
    expect(await other.verify()).toMatchObject({ ok: true, records: 4 });
    life.clock.step(minute);
    expect(await other.journal.prune({ before: life.clock.now(), now: life.clock.now() })).toBe(4);
    expect(await life.verify()).toMatchObject({ ok: true });
  });

  test('a note that forgot the pruning is put right', async () => {
    const life = await history();
    await life.journal.prune({ before: start + 10 * minute, now: life.clock.now() });
    await server.cli('HDEL', 'kg:{archive}:note', 'pruned', 'position');
    const next = await open();
    expect((await factsOf(next))[0]).toBe('10');
    await next.journal.checkpoints();
    expect(await server.cli('HMGET', 'kg:{archive}:note', 'pruned', 'position')).toBe('10\n10');
    expect(await next.verify()).toMatchObject({ ok: true });
  });

  const deaths = ['put anchors 10', 'remove segments 1', 'remove segments 5', 'remove segments 10', 'put segments 31'];
  test.each(deaths.flatMap((call) => (['before', 'after'] as const).map((when) => [when, call] as const)))(
    'broken off %s %s, the journal still verifies and the next pruning goes on',
    async (when, call) => {
      const archive = memoryArchive();
      const life = await history(archive);
      let left = 1;
      const broken = await open({ archive: dying(archive, (name) => (name === call && left-- > 0 ? when : undefined)), clock: life.clock });
      const options = { before: start + 10 * minute, now: life.clock.now() };
      await expect(broken.journal.prune(options)).rejects.toThrow('died');
      const next = await open({ archive, clock: life.clock });
      expect((await next.verify()).faults).toEqual([]);
      await server.cli('DEL', 'kg:{duty}:prune:holder');
      await next.journal.prune(options);
      expect(await next.verify()).toMatchObject({ ok: true });
      expect((await factsOf(next)).filter((fact) => fact !== 'undefined')).toEqual(Array.from({ length: 20 }, (_, n) => `${n + 10}`));
      expect([...archive.texts.keys()].filter((name) => /^segments [1-9]$|^segments 10$/.test(name))).toEqual([]);
    },
  );
});
