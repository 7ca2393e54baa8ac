import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createLiveCalls } from '../../src/adapters/live-calls.ts';
import type { KeyRecord } from '../../src/domain/key.ts';
import type { Caller } from '../../src/ports/callers.ts';
import type { LiveEntry } from '../../src/ports/live.ts';
import { start, steppedClock, testKey } from '../ports/subject.ts';

/** Live calls over callers that are made of these records, and a count of who was asked for. */
function prepare(...records: KeyRecord[]) {
  const stored = new Map<string, KeyRecord>(records.map((record) => [record.id, record]));
  const asked: string[] = [];
  let hold: Promise<void> | undefined;
  const clock = steppedClock();
  const faults: string[] = [];
  const byId = async (id: string): Promise<Caller | undefined> => {
    asked.push(id);
    const key = stored.get(id);
    const ancestors = (key?.parentIds ?? []).flatMap((parent) => stored.get(parent) ?? []);
    await hold;
    return key && ({ key, ancestors } as unknown as Caller);
  };
  const live = createLiveCalls({
    callers: { byId },
    ledger: { renew: async () => true },
    clock,
    log: { note: () => undefined, warn: () => undefined, fault: (message) => void faults.push(message) },
    limits: () => ({ streamsMax: 1_000, streamsPerKeyMax: 1_000, streamsPerAddressMax: 10_000, holdMsMax: 120_000 }),
  });
  const enter = (keyId: string, more: Partial<LiveEntry> = {}) => {
    const cuts: string[] = [];
    const judgedBy: number[] = [];
    const leave = live.enter({
      keyId,
      kind: 'stream',
      streaming: () => true,
      cut: (why) => void cuts.push(why),
      rejudge: (caller) => void judgedBy.push(caller.key.revision),
      ...more,
    });
    return { cuts, judgedBy, leave };
  };
  return {
    ...{ live, clock, faults, asked, enter },
    put: (record: KeyRecord) => void stored.set(record.id, record),
    /** Until the returned function is called nobody is answered; with an error everybody is refused. */
    hold(error?: Error) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      hold = promise;
      promise.catch(() => undefined);
      if (error) reject(error);
      return () => {
        hold = undefined;
        resolve();
      };
    },
  };
}

const revoked = (id: string, more: Partial<KeyRecord> = {}) => testKey(id, { ...more, revision: 2, revokedAt: start });

describe('a round', () => {
  it('asks once for each key with streams, however many it has, and for no other', async () => {
    const { live, asked, enter } = prepare(testKey('ABCD1234'), testKey('OTHER000'));
    for (let at = 0; at < 100; at += 1) enter('ABCD1234');
    enter('OTHER000', { kind: 'call', streaming: () => false });
    await live.tend();
    expect(asked).toEqual(['ABCD1234']);
    await live.tend();
    expect(asked).toEqual(['ABCD1234', 'ABCD1234']);
  });

  it('is not overtaken by the next', async () => {
    const { live, asked, enter, hold } = prepare(testKey('ABCD1234'));
    enter('ABCD1234');
    const go = hold();
    const first = live.tend();
    await live.tend();
    expect(asked).toHaveLength(1);
    go();
    await first;
    await live.tend();
    expect(asked).toHaveLength(2);
  });

  it('judges more keys than it asks for at once', async () => {
    const ids = Array.from({ length: 200 }, (_, at) => `KEY${String(at).padStart(5, '0')}`);
    const { live, enter } = prepare(...ids.map((id) => revoked(id)));
    const entered = ids.map((id) => enter(id));
    await live.tend();
    expect(entered.every(({ cuts }) => cuts.join() === 'TOKEN_REVOKED')).toBe(true);
  });

  it('has streams judged by what the key is now, once for each change', async () => {
    const { live, enter, put } = prepare(testKey('ABCD1234'));
    const { judgedBy } = enter('ABCD1234');
    await live.tend();
    put(testKey('ABCD1234', { revision: 2 }));
    await live.tend();
    expect(judgedBy.at(-1)).toBe(2);
  });

  it('leaves alone what entered while it asked: that was admitted by newer records', async () => {
    const { live, enter, hold } = prepare(revoked('ABCD1234'));
    const before = enter('ABCD1234');
    const go = hold();
    const round = live.tend();
    const after = enter('ABCD1234');
    go();
    await round;
    expect([before.cuts, after.cuts]).toEqual([['TOKEN_REVOKED'], []]);
  });
});

describe('what was heard', () => {
  it('I3: the streams of a revoked key are cut before it is done, and no other is asked for', async () => {
    const { live, asked, enter, put } = prepare(testKey('ABCD1234'), testKey('OTHER000'));
    const [mine, other] = [enter('ABCD1234'), enter('OTHER000')];
    await live.tend();
    asked.length = 0;
    put(revoked('ABCD1234'));
    await live.heard(['ABCD1234']);
    expect([mine.cuts, other.cuts, asked]).toEqual([['TOKEN_REVOKED'], [], ['ABCD1234']]);
  });

  it('I7: counts for all that descends from the key, also before their first round', async () => {
    const line = { parentIds: ['PARENT00', 'TOP00000'] };
    for (const rounds of [0, 1]) {
      const { live, enter, put } = prepare(testKey('ABCD1234', line), testKey('PARENT00'), testKey('TOP00000'));
      const { cuts } = enter('ABCD1234');
      if (rounds === 1) await live.tend();
      put(revoked('TOP00000'));
      await live.heard(['TOP00000']);
      expect(cuts).toEqual(['TOKEN_REVOKED']);
    }
  });

  it('may be that anything has changed', async () => {
    const { live, enter, put } = prepare(testKey('ABCD1234'), testKey('OTHER000'));
    const [mine, other] = [enter('ABCD1234'), enter('OTHER000')];
    await live.tend();
    put(revoked('OTHER000'));
    await live.heard('all');
    expect([mine.cuts, other.cuts]).toEqual([[], ['TOKEN_REVOKED']]);
  });

  it('is not done where the store did not answer, so nobody acknowledges it', async () => {
    const { live, enter, hold } = prepare(testKey('ABCD1234'));
    const { cuts } = enter('ABCD1234');
    const mended = hold(new Error('the store does not answer'));
    await expect(live.heard(['ABCD1234'])).rejects.toThrow('did not answer');
    expect(cuts).toEqual([]);
    mended();
    await live.heard(['ABCD1234']);
  });

  it('does not wait for a round that is running', async () => {
    const { live, enter, put, hold } = prepare(testKey('ABCD1234'), testKey('OTHER000'));
    enter('OTHER000');
    const go = hold();
    const round = live.tend();
    const { cuts } = enter('ABCD1234');
    put(revoked('ABCD1234'));
    go();
    await live.heard(['ABCD1234']);
    expect(cuts).toEqual(['TOKEN_REVOKED']);
    await round;
  });
});

describe('a store that hangs', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('ends no round for ever: streams are cut after a minute of silence (I3)', async () => {
    const { live, clock, enter, hold, faults } = prepare(testKey('ABCD1234'));
    const { cuts } = enter('ABCD1234');
    hold();
    const first = live.tend();
    await vi.advanceTimersByTimeAsync(5_000);
    await first;
    expect([cuts, faults.length]).toEqual([[], 1]);
    clock.step(54_001);
    const second = live.tend();
    await vi.advanceTimersByTimeAsync(5_000);
    await second;
    expect(cuts).toEqual(['STORE_UNAVAILABLE']);
  });
});
