import { expect, test } from 'vitest';
import { createTally } from '../../src/adapters/tally.ts';
import type { RecordFacts } from '../../src/domain/record.ts';
import type { Ledger } from '../../src/ports/ledger.ts';
import { steppedClock } from '../ports/subject.ts';

function prepare() {
  const records: RecordFacts[] = [];
  const store = { answers: true, meanwhile: () => {} };
  const record = async (facts: RecordFacts) => {
    store.meanwhile();
    if (!store.answers) throw new Error('the store does not answer');
    records.push(facts);
  };
  const log = { note: () => undefined, warn: () => undefined, fault: () => undefined };
  const clock = steppedClock();
  const tally = createTally({ ledger: { record } as unknown as Ledger, clock, log });
  return { tally, records, store, clock };
}

const total = (records: readonly RecordFacts[]) => records.reduce((sum, { count }) => sum + Number(count), 0);

test('a flood from ever new addresses stays within the bound, also while the store is away, and no refusal is lost', async () => {
  const { tally, records, store } = prepare();
  store.answers = false;
  for (let round = 0; round < 5; round += 1) {
    for (let at = 0; at < 1_500; at += 1) tally.count('TOKEN_INVALID', `10.${round * 8 + (at >> 8)}.${at & 255}.1`);
    await tally.flush();
  }
  store.answers = true;
  await tally.flush();
  expect(total(records)).toBe(7_500);
  expect(records.length).toBeLessThanOrEqual(1_001);
});

test('counts that are journalled late say since when they were counted', async () => {
  const { tally, records, store, clock } = prepare();
  const from = new Date(clock.now()).toISOString();
  store.answers = false;
  tally.count('TOKEN_INVALID', '192.0.2.7');
  clock.step(5_000);
  await tally.flush();
  clock.step(5_000);
  store.answers = true;
  await tally.flush();
  expect(records).toMatchObject([{ count: 1, from, to: new Date(clock.now()).toISOString() }]);
});

test('a gap begins with the first refusal in it, also where more came while it was being written', async () => {
  const { tally, records, store, clock } = prepare();
  const from = new Date(clock.now()).toISOString();
  store.answers = false;
  tally.missed('STORE_UNAVAILABLE');
  store.meanwhile = () => {
    clock.step(5_000);
    tally.missed('STORE_UNAVAILABLE');
  };
  await tally.flush();
  store.answers = true;
  store.meanwhile = () => {};
  await tally.flush();
  expect(records).toMatchObject([{ kind: 'gap', from, refusals: { STORE_UNAVAILABLE: 2 } }]);
});

test('what could not be journalled becomes one gap once the store is back', async () => {
  const { tally, records, store } = prepare();
  store.answers = false;
  tally.missed('STORE_UNAVAILABLE');
  await tally.flush();
  tally.missed('STORE_UNAVAILABLE');
  store.answers = true;
  await tally.flush();
  await tally.flush();
  expect(records).toMatchObject([{ kind: 'gap', refusals: { STORE_UNAVAILABLE: 2 } }]);
});

test.each([
  ['192.0.2.7', '192.0.2.0/24'],
  ['::ffff:192.0.2.7', '192.0.2.0/24'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1::/48'],
  ['2001:db8::6', '2001:db8:0::/48'],
  ['2001::5:6', '2001:0:0::/48'],
  ['::1', '0:0:0::/48'],
  ['', 'unknown'],
])('%s is counted under %s', async (address, addressPrefix) => {
  const { tally, records } = prepare();
  tally.count('TOKEN_MISSING', address);
  await tally.flush();
  expect(records).toMatchObject([{ kind: 'refusals.counted', addressPrefix, count: 1 }]);
});
