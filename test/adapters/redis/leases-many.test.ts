import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { KeyRecord } from '../../../src/domain/key.ts';
import { rootOf } from '../../../src/domain/key.ts';
import { budget, cap } from '../../ports/calls.ts';
import { admitRequest, chargesOf, hour, micros, outcomeFacts, recordsOf, start, steppedClock } from '../../ports/subject.ts';
import { startRedis, type TestRedis } from '../../support/redis-server.ts';
import { acquaint, admitMany, type LeasedSubject, openLeased, terms } from './leased.ts';

let server: TestRedis;
let all: LeasedSubject[];
const clock = steppedClock();
const names = ['one', 'two', 'three', 'four'];
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(async () => {
  await server.cli('FLUSHALL');
  all = await Promise.all(names.map((name) => openLeased(server, { name, clock, commandTimeoutMs: 20_000 })));
});
afterEach(() => Promise.all(all.map((each) => each.close())));

const price = 7;
const first = () => all[0] ?? expect.unreachable();

/** Calls until it is refused three times in a row, or until there is nothing more to do. */
async function work(
  { ledger }: LeasedSubject,
  options: { key: KeyRecord; ancestors: readonly KeyRecord[]; name: string; calls: number; ended?: () => boolean },
): Promise<{ admitted: number; answers: Set<string> }> {
  const { key, ancestors, name, calls, ended = () => false } = options;
  const lease = { calls: 50, ms: 60_000 };
  const answers = new Set<string>();
  let admitted = 0;
  for (let refused = 0, nth = 0; nth < calls && refused < 3 && !ended(); nth += 1) {
    const reservationId = `${name}-${nth}`;
    const answer = await ledger.admit(admitRequest(key, { reservationId, ancestors, price: micros(price), lease }));
    answers.add(answer.kind);
    refused = answer.kind === 'admitted' ? 0 : refused + 1;
    if (answer.kind !== 'admitted') continue;
    admitted += 1;
    const outcome = { ...outcomeFacts, keyId: key.id };
    await ledger.settle({ root: rootOf(key), reservationId, charge: micros(price), now: start, outcome });
  }
  // Whoever dies does so while a call runs.
  if (ended()) await ledger.admit(admitRequest(key, { reservationId: `${name}-last`, ancestors, price: micros(price), lease }));
  return { admitted, answers };
}

/** Looks again and again, until it is told to stop, whether anything has passed its limit. */
async function watch(key: KeyRecord, ancestors: readonly KeyRecord[], stopped: () => boolean): Promise<number> {
  let looks = 0;
  for (; !stopped(); looks += 1) {
    const [lines, account] = await Promise.all([first().ledger.usage({ key, ancestors, now: start }), first().ledger.account('acme')]);
    for (const { limitName, unit, limit, spent, held } of lines) {
      // Of the balance, `limit` is what is left.
      expect([limitName, unit, spent + held <= limit]).toEqual([limitName, unit, true]);
    }
    expect((account?.balance ?? 0) >= (account?.held ?? 0)).toBe(true);
  }
  return looks;
}

/** Every counter says what the journal says, and nothing is held. */
async function expectEqual(key: KeyRecord, ancestors: readonly KeyRecord[], balance: number): Promise<number> {
  const records = (await recordsOf(first().journal)).filter(({ keyId }) => keyId === key.id);
  const intents = records.filter(({ kind }) => kind === 'call.intent').length;
  const charges = [...chargesOf(records).values()];
  const charged = charges.reduce((sum, each) => sum + each, 0);
  expect(charges).toHaveLength(intents);
  expect(await first().calls.usage(key, ancestors)).toEqual({
    [`key:${key.id} cap total`]: [intents, 0],
    'key:TOP00000 budget total': [charged, 0],
    'account:acme balance': [0, 0],
  });
  expect(await first().ledger.account('acme')).toMatchObject({ balance: balance - charged, held: 0 });
  return charged;
}

const minted = async (limits: { top: number; leaf: number; balance: number }) => {
  const { calls } = first();
  await calls.funded('acme', limits.balance);
  const top = await calls.minted('TOP00000', { accountId: 'acme', budgets: [budget(limits.top)] });
  const leaf = await calls.minted('LEAF0000', { accountId: 'acme', parentIds: ['TOP00000'], caps: [cap(limits.leaf)] });
  return { top, leaf };
};

test('four gateways, 10,000 calls, one of them dies in the middle: never over, and afterwards everything is equal (I2, I8)', async () => {
  const { top, leaf } = await minted({ top: 50_000, leaf: 10_000, balance: 80_000 });
  let dead = false;
  let stopped = false;
  let admitted = 0;
  const workers = all.flatMap((gateway, at) =>
    Array.from({ length: 16 }, async (_, nth) => {
      const ended = () => at === 3 && dead;
      const done = await work(gateway, { key: leaf, ancestors: [top], name: `w${at}-${nth}`, calls: 156, ended });
      admitted += done.admitted;
      // The fourth dies when the first of its callers has come so far, in the middle of what the others do.
    }),
  );
  const dying = async () => {
    while (admitted === 0 && !dead) {
      const records = Number(await server.cli('GET', await counter()));
      dead = records > 4000;
    }
    dead = true;
  };
  const counter = async () => (await server.cli('KEYS', 'kg:*}:seq')).split('\n')[0] ?? '';
  const watched = watch(leaf, [top], () => stopped);
  await Promise.all([...workers, dying()]);
  stopped = true;
  expect(await watched).toBeGreaterThan(3);
  // What the dead one held and did not use is used by the others after it was given back.
  await Promise.all(all.slice(0, 3).map((gateway) => gateway.giveBack()));
  expect(await first().ledger.sweep({ now: start + hour })).toBe(16);
  await Promise.all(all.slice(0, 3).map((gateway, at) => work(gateway, { key: leaf, ancestors: [top], name: `last${at}`, calls: 9000 })));
  await Promise.all(all.slice(0, 3).map((gateway) => gateway.giveBack()));
  expect(await expectEqual(leaf, [top], 80_000)).toBe(Math.floor(50_000 / price) * price);
  expect(Number(await server.cli('GET', await counter()))).toBeGreaterThan(14_000);
}, 120_000);

test('a key that is revoked in the middle is refused by every gateway at its next call (I3)', async () => {
  const { top, leaf } = await minted({ top: 1e9, leaf: 1e6, balance: 1e9 });
  let revoked = false;
  const late: string[] = [];
  const workers = all.flatMap((gateway, at) =>
    Array.from({ length: 8 }, async (_, nth) => {
      for (let turn = 0; ; turn += 1) {
        const wasRevoked = revoked;
        const reservationId = `w${at}-${nth}-${turn}`;
        const answer = await gateway.ledger.admit(
          admitRequest(leaf, { reservationId, ancestors: [top], price: micros(price), lease: terms }),
        );
        if (answer.kind === 'dead') return answer.reason;
        if (wasRevoked) late.push(reservationId);
        await gateway.ledger.settle({
          root: rootOf(leaf),
          reservationId,
          charge: micros(3),
          now: start,
          outcome: { ...outcomeFacts, keyId: leaf.id },
        });
      }
    }),
  );
  while (((await first().ledger.account('acme'))?.held ?? 0) < 100) await first().life.connection.client.ping();
  await first().keyring.revoke('TOP00000', { reason: 'x', at: start, by: { via: 'cli' } });
  revoked = true;
  expect(new Set(await Promise.all(workers))).toEqual(new Set(['TOKEN_REVOKED']));
  expect(late).toEqual([]);
  await Promise.all(all.map((gateway) => gateway.giveBack()));
  await expectEqual(leaf, [top], 1e9);
});

test('a lease leaves room for the others, and a budget that is too small for leases is spent to its last call', async () => {
  const { top, leaf } = await minted({ top: 100 * price, leaf: 10_000, balance: 80_000 });
  const hoarder = first();
  await acquaint(hoarder, 'acme');
  // It takes what it may and uses nothing of it.
  const hoarded = await admitMany(hoarder, leaf, { count: 2, price, ancestors: [top], lease: { calls: 50, ms: 60_000 } });
  const got = await Promise.all(
    all.slice(1).map((gateway, at) => work(gateway, { key: leaf, ancestors: [top], name: `w${at}`, calls: 200 })),
  );
  const admitted = got.reduce((sum, each) => sum + each.admitted, 0);
  // An eighth of the 98 calls that it may see is 12.
  expect(admitted).toBe(99 - 12);
  for (const { answers } of got) expect(answers).toEqual(new Set(['admitted', 'limited']));
  for (const id of hoarded) await hoarder.calls.settle(leaf, id, price);
  await Promise.all(all.map((gateway) => gateway.giveBack()));
  const rest = await work(all[2] ?? hoarder, { key: leaf, ancestors: [top], name: 'rest', calls: 200 });
  expect(rest.admitted).toBe(11);
  await Promise.all(all.map((gateway) => gateway.giveBack()));
  expect(await expectEqual(leaf, [top], 80_000)).toBe(100 * price);
});

test('many leases together leave half of what is not spent', async () => {
  const gateway = first();
  const top = await gateway.calls.minted('TOP00000', { caps: [cap(1000)], budgets: [budget(5000)] });
  const counted = async () => (await gateway.calls.usage(top))['key:TOP00000 cap total'] ?? [0, 0];
  for (let nth = 0; nth < 60; nth += 1) {
    const key = await gateway.calls.minted(`KEY${nth}`, { parentIds: ['TOP00000'] });
    await admitMany(gateway, key, { count: 2, price: 5, ancestors: [top], lease: { calls: 100, ms: 60_000 } });
    expect((await counted())[1]).toBeLessThanOrEqual(500);
  }
  expect((await counted())[1]).toBeGreaterThan(400);
});
