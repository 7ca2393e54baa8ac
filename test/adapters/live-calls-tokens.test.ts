import { describe, expect, it } from 'vitest';
import { createLiveCalls } from '../../src/adapters/live-calls.ts';
import { type KeyRecord, rootOf } from '../../src/domain/key.ts';
import type { Caller } from '../../src/ports/callers.ts';
import type { LiveEntry } from '../../src/ports/live.ts';
import { digestOf, start, steppedClock, testKey } from '../ports/subject.ts';

function live(record: KeyRecord) {
  let key: KeyRecord | undefined = record;
  const clock = steppedClock();
  const byId = async () => key && ({ key, ancestors: [] as readonly KeyRecord[] } as unknown as Caller);
  const calls = createLiveCalls({
    callers: { byId },
    ledger: { renew: async () => true } as never,
    clock,
    log: { note: () => undefined, warn: () => undefined, fault: () => undefined },
    limits: () => ({ streamsMax: 10, streamsPerKeyMax: 10, streamsPerAddressMax: 10_000, holdMsMax: 120_000 }),
  });
  const cuts: string[] = [];
  const enter = (more: Partial<LiveEntry>) =>
    calls.enter({
      ...{ keyId: record.id, hold: { root: rootOf(record), reservationId: 'r', until: start + 120_000 }, kind: 'stream' },
      streaming: () => true,
      cut: (why) => void cuts.push(why),
      ...more,
    });
  return {
    ...{ calls, clock, cuts, enter },
    become(next: KeyRecord | undefined) {
      key = next;
    },
  };
}

describe('I3: a stream', () => {
  it('that an access token opened is cut when the token ends, not before', async () => {
    const { calls, clock, cuts, enter } = live(testKey('ABCD1234'));
    enter({ expiresAt: start + 1_000 });
    clock.step(999);
    await calls.tend();
    expect(cuts).toEqual([]);
    clock.step(1);
    await calls.tend();
    expect(cuts).toEqual(['TOKEN_EXPIRED']);
  });

  it('whose upstream has not opened it yet is cut as well, so that it opens for nobody', async () => {
    const { calls, cuts, enter, become } = live(testKey('ABCD1234'));
    enter({ kind: 'stream', streaming: () => false });
    become(testKey('ABCD1234', { revokedAt: start }));
    await calls.tend();
    expect(cuts).toEqual(['TOKEN_REVOKED']);
  });

  it('that only answers one call is left to finish', async () => {
    const { calls, clock, cuts, enter } = live(testKey('ABCD1234'));
    enter({ kind: 'call', streaming: () => false, expiresAt: start });
    clock.step(1);
    await calls.tend();
    expect(cuts).toEqual([]);
  });

  it('is cut when a rotation ends the secret that opened it', async () => {
    const digest = digestOf('old');
    const { calls, clock, cuts, enter, become } = live(testKey('ABCD1234', { digests: [{ digest, pepperId: 'p1' }] }));
    enter({ digest });
    await calls.tend();
    become(testKey('ABCD1234', { digests: [{ digest, pepperId: 'p1', until: start + 500 }] }));
    await calls.tend();
    expect(cuts).toEqual([]);
    clock.step(500);
    await calls.tend();
    expect(cuts).toEqual(['TOKEN_REVOKED']);
  });

  it('of a key that was deleted, revoked or has expired is cut', async () => {
    for (const [next, why] of [
      [undefined, 'TOKEN_REVOKED'],
      [testKey('ABCD1234', { revokedAt: start }), 'TOKEN_REVOKED'],
      [testKey('ABCD1234', { expiresAt: start }), 'TOKEN_EXPIRED'],
    ] as const) {
      const { calls, cuts, enter, become } = live(testKey('ABCD1234'));
      enter({});
      become(next);
      await calls.tend();
      expect(cuts).toEqual([why]);
    }
  });
});
