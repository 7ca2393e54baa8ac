import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { factsOfEntry } from '../../../src/adapters/redis/journal-entry.ts';
import { inPartition, partitionOf } from '../../../src/adapters/redis/layout.ts';
import type { AdmitResult } from '../../../src/ports/ledger.ts';
import { budget, callsOn, cap } from '../../ports/calls.ts';
import { admitRequest, chargesOf, hour, micros, minute, outcomeFacts, recordsOf, start, testKey } from '../../ports/subject.ts';
import { startRedisCluster } from '../../support/redis-cluster.ts';
import { startRedis, type TestRedis } from '../../support/redis-server.ts';
import { intakeJournal } from './intake-journal.ts';
import { interrupted, resending } from './life.ts';
import { openBeside, openLedger, openOn, type RedisSubject } from './open.ts';

let server: TestRedis;
let opened: RedisSubject[] = [];
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
afterEach(async () => {
  await Promise.all(opened.map((each) => each.close()));
  opened = [];
});

/** Gateways on one empty store. */
const gateways = async (count: number, options: Parameters<typeof openOn>[1] = {}): Promise<[RedisSubject, ...RedisSubject[]]> => {
  const first = await openOn(() => server, options)();
  opened.push(first);
  const others = await Promise.all(
    Array.from({ length: count - 1 }, (_, at) => openBeside(server, { ...options, name: `life ${at + 2}` })),
  );
  opened.push(...others);
  return [first, ...others];
};
const by = { kind: 'account.created' } as const;
const total = (amount: number, limit: number) => ({ name: 'rule amount', amount, limit, per: 'total', zone: 'UTC' }) as const;

describe('many gateways', () => {
  test('four, 32 calls at a time each, spend a budget to the last that fits, and never more (I2)', async () => {
    const all = await gateways(4);
    const calls = callsOn(all[0]);
    await calls.funded('acme', 100_000);
    const top = await calls.minted('TOP00000', { accountId: 'acme', budgets: [budget(10_000)] });
    const leaf = await calls.minted('LEAF0000', { accountId: 'acme', parentIds: ['TOP00000'], caps: [cap(2000)] });
    let asked = 0;
    const worker = async ({ ledger }: RedisSubject) => {
      for (let refused = 0; refused < 3; ) {
        asked += 1;
        const reservationId = `r${asked}`;
        const answer = await ledger.admit(admitRequest(leaf, { reservationId, ancestors: [top], price: micros(7) }));
        if (answer.kind !== 'admitted') refused += 1;
        else await ledger.settle({ root: `account:acme` as never, reservationId, charge: micros(7), now: start, outcome: outcomeFacts });
      }
    };
    await Promise.all(all.flatMap((gateway) => Array.from({ length: 32 }, () => worker(gateway))));
    expect(await calls.usage(leaf, [top])).toEqual({
      'key:LEAF0000 cap total': [1428, 0],
      'key:TOP00000 budget total': [9996, 0],
      'account:acme balance': [0, 0],
    });
    expect(await all[1]?.ledger.account('acme')).toMatchObject({ balance: 100_000 - 9996, held: 0 });
    const charges = [...chargesOf(await recordsOf(all[0].journal)).values()];
    expect(charges.reduce((sum, charge) => sum + charge, 0)).toBe(9996);
  });

  test('the same reservation asked for at every gateway at once is taken once, and ended once', async () => {
    const all = await gateways(3);
    const calls = callsOn(all[0]);
    const key = await calls.minted('AAAAAAAA', { budgets: [budget(100)], maxUses: 5 });
    const ask = (each: RedisSubject) => each.ledger.admit(admitRequest(key, { reservationId: 'one', price: micros(60) }));
    const answers = await Promise.all([...all, ...all, ...all].map(ask));
    expect(answers).toEqual(answers.map(() => ({ kind: 'admitted', reservationId: 'one' })));
    expect(await calls.usage(key)).toEqual({ 'key:AAAAAAAA uses': [1, 0], 'key:AAAAAAAA budget total': [0, 60] });
    const end = ({ ledger }: RedisSubject, charge: number) =>
      ledger.settle({ root: `key:AAAAAAAA` as never, reservationId: 'one', charge: micros(charge), now: start, outcome: outcomeFacts });
    await Promise.all([...all, ...all].map((each, at) => end(each, 10 + at)));
    const [spent = 0, held] = (await calls.usage(key))['key:AAAAAAAA budget total'] ?? [];
    expect([chargesOf(await recordsOf(all[0].journal)).get('one'), held]).toEqual([spent, 0]);
    expect((await recordsOf(all[0].journal)).filter(({ kind }) => kind === 'call.outcome')).toHaveLength(1);
  });

  test('limits of an account that one gateway changed hold at the other with its next call', async () => {
    const [one, two] = await gateways(2);
    const calls = callsOn(one);
    await calls.funded('acme', 1000);
    const key = await calls.minted('AAAAAAAA', { accountId: 'acme' });
    const ask = (reservationId: string) => two?.ledger.admit(admitRequest(key, { reservationId, price: micros(10) }));
    expect(await ask('first')).toMatchObject({ kind: 'admitted' });
    await one.ledger.limitAccount({ id: 'acme', budgets: [budget(15)], now: start, by });
    // The counter begins with the limit: what was taken before it was not counted by it.
    expect(await ask('second')).toMatchObject({ kind: 'admitted' });
    expect(await ask('third')).toMatchObject({ kind: 'limited', breach: { limitName: 'account:acme budget total', limit: 15 } });
    expect(await two?.ledger.preview({ key, ancestors: [], counts: true, price: micros(10), now: start })).toMatchObject({ limit: 15 });
    await one.ledger.limitAccount({ id: 'acme', budgets: [], now: start, by });
    expect(await ask('fourth')).toMatchObject({ kind: 'admitted' });
    expect((await recordsOf(one.journal)).filter(({ kind }) => kind === 'call.refused')).toHaveLength(1);
  });

  test('limits that 16 change at once are each changed from the one before', async () => {
    const all = await gateways(2);
    await all[0].ledger.createAccount({ id: 'acme', now: start, by });
    const change = (at: number) => all[at % 2]?.ledger.limitAccount({ id: 'acme', budgets: [budget(at + 1)], now: start, by });
    const answers = await Promise.all(Array.from({ length: 16 }, (_, at) => change(at)));
    expect(answers.map((account) => account?.revision).sort((a = 0, b = 0) => a - b)).toEqual(
      Array.from({ length: 16 }, (_, at) => at + 2),
    );
    expect((await recordsOf(all[0].journal)).filter(({ kind }) => kind === 'account.limited')).toHaveLength(16);
  });

  test('holds of a gateway that is gone are captured by another, once, and those of the others when they expire', async () => {
    const [one, two] = await gateways(2);
    const keys = await Promise.all(Array.from({ length: 30 }, (_, at) => callsOn(one).minted(`KEY${String(at).padStart(5, '0')}`)));
    const ask = (gateway: RedisSubject | undefined, key: (typeof keys)[number], reservationId: string) =>
      gateway?.ledger.admit(admitRequest(key, { reservationId, price: micros(5) }));
    for (const [at, key] of keys.entries()) await Promise.all([ask(one, key, `one ${at}`.replace(' ', '-')), ask(two, key, `two-${at}`)]);
    expect(await two?.ledger.sweep({ now: start, orphaned: (owner) => owner === 'test-life' })).toBe(30);
    expect(await two?.ledger.sweep({ now: start, orphaned: (owner) => owner === 'test-life' })).toBe(0);
    const swept = await Promise.all([one, two].map((each) => each?.ledger.sweep({ now: start + hour })));
    expect(swept.reduce((sum = 0, each = 0) => sum + each, 0)).toBe(30);
  });

  test('a hold that ends while a sweep looks for orphans is not ended by it again', async () => {
    const [one] = await gateways(1);
    const key = await callsOn(one).minted('AAAAAAAA', { budgets: [budget(100)] });
    for (const reservationId of ['r1', 'r2']) await one.ledger.admit(admitRequest(key, { reservationId, price: micros(40) }));
    const settle = () => callsOn(one).settle(key, 'r1', 10);
    const two = await openBeside(server, { name: 'life 2', wrap: interrupted({ sweep: settle }) });
    opened.push(two);
    expect(await two.ledger.sweep({ now: start, orphaned: () => true })).toBe(1);
    expect(await callsOn(one).usage(key)).toEqual({ 'key:AAAAAAAA budget total': [50, 0] });
    expect(chargesOf(await recordsOf(one.journal))).toEqual(
      new Map([
        ['r1', 10],
        ['r2', 40],
      ]),
    );
  });
});

describe('scripts that are sent twice', () => {
  test('do what they do once, and answer as they did', async () => {
    const [subject] = await gateways(1, { wrap: resending });
    const { ledger, clock } = subject;
    const calls = callsOn(subject);
    await calls.funded('acme', 1000, { budgets: [budget(500)] });
    const key = await calls.minted('AAAAAAAA', { accountId: 'acme', budgets: [budget(100)], caps: [cap(3)] });
    expect(await ledger.limitAccount({ id: 'acme', caps: [cap(9)], now: start, by })).toMatchObject({ revision: 2 });
    await ledger.adjust({ accountId: 'acme', amount: -100, reference: 'two', now: start, by });
    expect((await calls.admit(key, 60, { totals: [total(5, 9)] })).kind).toBe('admitted');
    expect((await calls.admit(key, 60)).kind).toBe('limited');
    await calls.settle(key, 'r1', 50);
    expect((await calls.admit(key, 20)).kind).toBe('admitted');
    clock.step(hour);
    await ledger.sweep({ now: clock.now() });
    await calls.settle(key, 'r3', 10);
    expect(await calls.usage(key)).toEqual({
      'key:AAAAAAAA cap total': [2, 0],
      'key:AAAAAAAA budget total': [60, 0],
      'key:AAAAAAAA total rule amount total': [5, 0],
      'account:acme cap total': [2, 0],
      'account:acme budget total': [60, 0],
      'account:acme balance': [0, 0],
    });
    expect(await ledger.account('acme')).toMatchObject({ balance: 840, held: 0, revision: 2 });
    const kinds = (await recordsOf(subject.journal)).map(({ kind }) => kind).filter((kind) => !kind.startsWith('key.'));
    const count = (wanted: string) => kinds.filter((kind) => kind === wanted).length;
    expect(
      ['account.created', 'account.credited', 'account.limited', 'account.adjusted', 'call.intent', 'call.refused'].map(count),
    ).toEqual([...[1, 1, 1, 1, 2, 1]]);
    // The one of the expiry, and the one that corrects it.
    expect(count('call.outcome')).toBe(3);
  });
});

describe('calls that share a script', () => {
  test('are answered each for itself, in their order, whatever the others are', async () => {
    const [subject] = await gateways(1);
    const calls = callsOn(subject);
    await calls.funded('acme', 50);
    const key = await calls.minted('AAAAAAAA', { accountId: 'acme', budgets: [budget(100)] });
    const gone = testKey('GONE0000', { accountId: 'acme' });
    const ask = (reservationId: string, price: number, changes = {}, of = key) =>
      subject.ledger.admit(admitRequest(of, { reservationId, price: micros(price), ...changes }));
    const answers = await Promise.allSettled([
      ask('a', 30),
      ask('b', 30),
      ask('a', 30),
      ask('c', Number.NaN),
      ask('d', 0, {}, gone),
      ask('e', 0, {}, { ...key, revision: 7 }),
      ask('f', 20),
      ask('b', 30),
      ask('g', 1, {}, { ...key, budgets: [budget(Number.POSITIVE_INFINITY)] }),
    ]);
    const kindOf = (answer: PromiseSettledResult<AdmitResult>) => (answer.status === 'fulfilled' ? answer.value.kind : 'fault');
    expect(answers.map(kindOf)).toEqual(['admitted', 'limited', 'admitted', 'fault', 'dead', 'stale', 'admitted', 'limited', 'fault']);
    expect(await subject.ledger.account('acme')).toMatchObject({ held: 50 });
  });

  test('what is damaged of one key stops the calls of that key alone', async () => {
    const [subject] = await gateways(1);
    const calls = callsOn(subject);
    await calls.funded('acme', 1000);
    const good = await calls.minted('GOOD0000', { accountId: 'acme', budgets: [budget(100)] });
    const bad = await calls.minted('BAD00000', { accountId: 'acme', budgets: [budget(100)] });
    const counters = inPartition.counters(partitionOf('account:acme'), 'BAD00000');
    await subject.life.connection.client.hset(counters, 'micros total ', 'damaged');
    const answers = await Promise.allSettled([good, bad, good, bad, good].map((key) => calls.admit(key, 10)));
    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'rejected', 'fulfilled']);
    expect(await subject.ledger.account('acme')).toMatchObject({ held: 30 });
    expect((await recordsOf(subject.journal)).filter(({ kind }) => kind === 'call.intent')).toHaveLength(3);
  });

  test('300 of one turn are all answered', async () => {
    const [subject] = await gateways(1);
    const calls = callsOn(subject);
    const keys = await Promise.all(['ONE00000', 'TWO00000', 'THREE000'].map((id) => calls.minted(id, { budgets: [budget(70)] })));
    const answers = await Promise.all(Array.from({ length: 300 }, (_, at) => calls.admit(keys[at % 3] ?? testKey(''), 1)));
    expect(answers.filter(({ kind }) => kind === 'admitted')).toHaveLength(210);
    expect(new Set(answers.flatMap((answer) => (answer.kind === 'admitted' ? [answer.reservationId] : []))).size).toBe(210);
    for (const key of keys) expect(await calls.usage(key)).toEqual({ [`key:${key.id} budget total`]: [0, 70] });
  });
});

describe('a cluster', () => {
  test('admits, settles, sweeps and reports as one server does, wherever a partition is', async () => {
    const cluster = await startRedisCluster({ nodes: 3 });
    try {
      const subject = await openBeside(cluster);
      opened.push(subject);
      const calls = callsOn(subject);
      const { connection, clock } = subject.life;
      const ledger = openLedger({ connection, clock, name: 'another life' });
      for (let at = 0; at < 12; at += 1) {
        const id = `acme${at}`;
        await calls.funded(id, 100, { budgets: [budget(80)] });
        const key = await calls.minted(`KEY${String(at).padStart(5, '0')}`, { accountId: id, caps: [cap(5)] });
        await calls.spend(key, 30, { totals: [total(3, 9)] });
        expect((await ledger.admit(admitRequest(key, { reservationId: `left-${at}`, price: micros(50) }))).kind).toBe('admitted');
        expect(await calls.admit(key, 1)).toMatchObject({ breach: { limitName: `account:${id} budget total` } });
        expect(await ledger.useOnce({ id, until: start + minute })).toBe(true);
        await ledger.record({ kind: 'config.reloaded', requestId: id });
      }
      expect(await ledger.sweep({ now: start, orphaned: (owner) => owner === 'another life' })).toBe(12);
      for (let at = 0; at < 12; at += 1) expect(await ledger.account(`acme${at}`)).toMatchObject({ balance: 20, held: 0 });
      const records = await recordsOf(intakeJournal(connection));
      expect(records.filter(({ kind }) => kind === 'call.outcome')).toHaveLength(24);
      expect(records.filter(({ kind }) => kind === 'config.reloaded')).toHaveLength(12);
    } finally {
      await Promise.all(opened.map((each) => each.close()));
      opened = [];
      await cluster.stop();
    }
  });
});

test('what an entry says is what the embedded store would have written', () => {
  const facts = JSON.stringify({ kind: 'call.intent', keyId: 'AAAAAAAA', decision: 'allowed', held: '5', reservationId: 'r1' });
  const read = (mark: object) => factsOfEntry({ time: '1', facts, mark: JSON.stringify(mark) }).facts;
  expect(read({ is: 'dead', reason: 'TOKEN_REVOKED' })).toEqual({
    ...{ kind: 'call.refused', keyId: 'AAAAAAAA', decision: 'refused', reason: 'TOKEN_REVOKED', reservationId: 'r1' },
  });
  const limited = { is: 'limited', reason: 'CAP_EXCEEDED', limitName: 'x', unit: 'calls', limit: 2, spent: 2, held: 0 };
  expect(read(limited)).toEqual({
    ...{ kind: 'call.refused', keyId: 'AAAAAAAA', decision: 'refused', reason: 'CAP_EXCEEDED', reservationId: 'r1' },
    ...{ limitName: 'x', limit: 2, spent: 2, held: '0' },
  });
  expect(read({ is: 'over', names: ['a'] })).toEqual({ ...JSON.parse(facts), over: ['a'] });
  expect(read({ is: 'adjusted', balance: -5 })).toMatchObject({ balance: '-0.000005' });
  expect(() => factsOfEntry({ time: '1', facts: '', mark: '' })).toThrow('no facts');
  expect(() => factsOfEntry({ time: 't', facts, mark: '' })).toThrow('no time');
});
