import { expect, test } from 'vitest';
import { createLiveCalls } from '../../src/adapters/live-calls.ts';
import type { LedgerRoot } from '../../src/domain/key.ts';
import type { Callers } from '../../src/ports/callers.ts';
import type { Ledger } from '../../src/ports/ledger.ts';
import type { LiveEntry } from '../../src/ports/live.ts';

/** Live calls over a store that can be switched off, with a clock that is moved by hand. */
function prepare() {
  let now = 1_000_000;
  let storeAnswers = true;
  const faults: string[] = [];
  const callers: Pick<Callers, 'byId'> = {
    byId() {
      if (!storeAnswers) throw new Error('the store does not answer');
      return { key: { revokedAt: undefined, expiresAt: undefined }, ancestors: [] } as unknown as ReturnType<Callers['byId']>;
    },
  };
  const live = createLiveCalls({
    callers: callers as Callers,
    ledger: { renew: () => Promise.resolve(true) } as unknown as Ledger,
    clock: { now: () => now, monotonic: () => now },
    log: { note: () => undefined, warn: () => undefined, fault: (message) => void faults.push(message) },
    limits: () => ({ streamsMax: 10, streamsPerKeyMax: 10, holdMsMax: 120_000 }),
  });
  const enter = (kind: LiveEntry['kind'], cuts: string[] = []) =>
    live.enter({
      keyId: 'k',
      root: 'k' as LedgerRoot,
      reservationId: 'r',
      holdUntil: now + 120_000,
      kind,
      streaming: () => kind === 'stream',
      cut: (why) => void cuts.push(why),
    });
  const pass = (ms: number) => {
    now += ms;
    live.tend();
  };
  const stopStore = () => {
    storeAnswers = false;
  };
  return { live, enter, pass, faults, stopStore };
}

test('streams are cut when the store was silent for a minute, also while plain calls run beside them (I3)', () => {
  const { enter, pass, faults, stopStore } = prepare();
  const cuts: string[] = [];
  enter('call');
  enter('stream', cuts);
  enter('stream', cuts);
  pass(400);
  stopStore();
  pass(59_000);
  expect(cuts).toEqual([]);
  expect(faults).toHaveLength(1); // one line a round, however many streams
  pass(1_001);
  expect(cuts).toEqual(['STORE_UNAVAILABLE', 'STORE_UNAVAILABLE']);
});

test('a stream that was just admitted is not cut for a silence before it', () => {
  const { enter, pass, stopStore } = prepare();
  const cuts: string[] = [];
  pass(3_600_000); // an hour in which nothing ran and nothing was asked
  enter('stream', cuts);
  stopStore();
  pass(400);
  expect(cuts).toEqual([]);
});

test('once streams were ended no stream gets in, and once all was cut nothing does', () => {
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
