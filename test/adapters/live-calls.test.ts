import { expect, test } from 'vitest';
import { createLiveCalls } from '../../src/adapters/live-calls.ts';
import type { LedgerRoot } from '../../src/domain/key.ts';
import type { Caller, Callers } from '../../src/ports/callers.ts';
import type { Ledger } from '../../src/ports/ledger.ts';
import type { LiveEntry } from '../../src/ports/live.ts';

/** Live calls over a store that can be switched off, with a clock that is moved by hand. */
function prepare() {
  let now = 1_000_000;
  let storeAnswers = true;
  const faults: string[] = [];
  const renewals: number[] = [];
  let renewed: () => Promise<boolean> = async () => true;
  const callers: Pick<Callers, 'byId'> = {
    async byId() {
      if (!storeAnswers) throw new Error('the store does not answer');
      return { key: { parentIds: [] }, ancestors: [] } as unknown as Caller;
    },
  };
  const live = createLiveCalls({
    callers,
    ledger: {
      renew({ holdUntil }: { holdUntil: number }) {
        renewals.push(holdUntil - now);
        return renewed();
      },
    } as unknown as Ledger,
    clock: { now: () => now, monotonic: () => now },
    log: { note: () => undefined, warn: () => undefined, fault: (message) => void faults.push(message) },
    limits: () => ({ streamsMax: 10, streamsPerKeyMax: 10, streamsPerAddressMax: 10_000, holdMsMax: 120_000 }),
  });
  const enter = (kind: LiveEntry['kind'], cuts: string[] = []) =>
    live.enter({
      keyId: 'k',
      hold: { root: 'k' as LedgerRoot, reservationId: 'r', until: now + 120_000 },
      kind,
      streaming: () => kind === 'stream',
      cut: (why) => void cuts.push(why),
    });
  const pass = async (ms: number) => {
    now += ms;
    await live.tend();
  };
  const stopStore = () => {
    storeAnswers = false;
  };
  const renewAs = (as: typeof renewed) => {
    renewed = as;
  };
  return { live, enter, pass, faults, stopStore, renewals, renewAs };
}

test('streams are cut when the store was silent for a minute, also while plain calls run beside them (I3)', async () => {
  const { enter, pass, faults, stopStore } = prepare();
  const cuts: string[] = [];
  enter('call');
  enter('stream', cuts);
  enter('stream', cuts);
  await pass(400);
  stopStore();
  await pass(53_000);
  expect(cuts).toEqual([]);
  expect(faults).toHaveLength(1); // one line a round, however many streams
  await pass(1_001);
  expect(cuts).toEqual(['STORE_UNAVAILABLE', 'STORE_UNAVAILABLE']);
});

test('a stream that was just admitted is not cut for a silence before it', async () => {
  const { enter, pass, stopStore } = prepare();
  const cuts: string[] = [];
  await pass(3_600_000); // an hour in which nothing ran and nothing was asked
  enter('stream', cuts);
  stopStore();
  await pass(400);
  expect(cuts).toEqual([]);
});

test('once streams were ended no stream gets in, and once all was cut nothing does', async () => {
  const { live, enter } = prepare();
  const cuts: string[] = [];
  enter('stream', cuts);
  const leave = enter('call', cuts);
  live.endStreams();
  expect(cuts).toEqual(['DRAINING']);
  expect(() => enter('stream')).toThrow(expect.objectContaining({ reason: 'DRAINING' }));
  enter('call')();
  live.endAll();
  expect(() => enter('call')).toThrow(expect.objectContaining({ reason: 'DRAINING' }));
  leave();
  expect(live.size).toBe(1);
});

test('a hold is renewed when it is half used, and after a failure again, however the store fails', async () => {
  const { enter, pass, faults, renewals, renewAs } = prepare();
  enter('call');
  await pass(59_000);
  expect(renewals).toEqual([]);
  for (const fail of [
    () => Promise.reject(new Error('the disk is full')),
    () => {
      throw new Error('the store is closed');
    },
  ]) {
    renewAs(fail);
    await pass(1_000);
    await new Promise(setImmediate);
  }
  expect(faults).toHaveLength(2);
  renewAs(async () => true);
  for (let round = 0; round < 10; round += 1) {
    await pass(400);
    await new Promise(setImmediate);
  }
  expect(renewals).toEqual([120_000, 120_000, 120_000]);
});

test('a hold that has ended is not renewed again and again', async () => {
  const { enter, pass, renewals, renewAs } = prepare();
  enter('call');
  renewAs(async () => false);
  for (let round = 0; round < 5; round += 1) {
    await pass(100_000);
    await new Promise(setImmediate);
  }
  expect(renewals).toHaveLength(1);
});
