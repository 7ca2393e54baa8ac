import { afterEach, expect, test, vi } from 'vitest';
import type { AdmitResult, SettleRequest } from '../../src/ports/ledger.ts';
import { admit } from '../../src/stages/admit.ts';
import type { Authorized } from '../../src/stages/reached.ts';
import { steppedClock, testKey } from '../ports/subject.ts';

afterEach(() => {
  vi.useRealTimers();
});

function prepare() {
  const committed = Promise.withResolvers<AdmitResult>();
  const settled: SettleRequest[] = [];
  const ledger = { admit: () => committed.promise, settle: async (request: SettleRequest) => void settled.push(request) };
  const log = { note: () => undefined, warn: () => undefined, fault: () => undefined };
  const ports = { ledger, log, clock: steppedClock(), newId: () => 'r1', hashArguments: () => undefined };
  const key = testKey('ABCD1234');
  const authorized = {
    ...{ requestId: 'q1', verb: 'GET', headers: {}, address: '127.0.0.1' },
    ...{ caller: { key, ancestors: [] }, policy: { limits: { holdMsMax: 1_000 } }, upstream: { name: 'up', revision: 'v' } },
    ...{ intent: { kind: 'stream' }, subject: {}, price: 10, counts: true, totals: [], rule: undefined },
  };
  vi.useFakeTimers();
  return { committed, settled, admitting: admit(ports as never, authorized as unknown as Authorized) };
}

test('a call that was refused because its commit took too long is released when the commit comes after all', async () => {
  const { committed, settled, admitting } = prepare();
  const refused = expect(admitting).rejects.toMatchObject({ reason: 'STORE_UNAVAILABLE' });
  await vi.advanceTimersByTimeAsync(5_000);
  await refused;
  expect(settled).toEqual([]);
  committed.resolve({ kind: 'admitted', reservationId: 'r1' });
  await vi.advanceTimersByTimeAsync(0);
  expect(settled).toMatchObject([
    { reservationId: 'r1', charge: 0, released: true, outcome: { kind: 'call.outcome', status: 'not-sent' } },
  ]);
});

test('a commit that fails after all leaves nothing to release', async () => {
  const { committed, settled, admitting } = prepare();
  const refused = expect(admitting).rejects.toMatchObject({ reason: 'STORE_UNAVAILABLE' });
  await vi.advanceTimersByTimeAsync(5_000);
  await refused;
  committed.reject(new Error('the disk is full'));
  await vi.advanceTimersByTimeAsync(0);
  expect(settled).toEqual([]);
});
