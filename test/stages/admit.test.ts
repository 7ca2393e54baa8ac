import { afterEach, expect, test, vi } from 'vitest';
import { createRetries } from '../../src/adapters/retries.ts';
import type { AdmitRequest, AdmitResult, SettleRequest } from '../../src/ports/ledger.ts';
import { admit } from '../../src/stages/admit.ts';
import type { Authorized } from '../../src/stages/reached.ts';
import { steppedClock, testKey } from '../ports/subject.ts';

afterEach(() => {
  vi.useRealTimers();
});

function prepare(rule?: { charge?: { lost: string } }, callers?: { again: () => Promise<unknown> }, intent: object = { kind: 'stream' }) {
  const committed = Promise.withResolvers<AdmitResult>();
  const settled: SettleRequest[] = [];
  const asked: AdmitRequest[] = [];
  const carried: Record<string, string>[] = [];
  const take = (request: AdmitRequest) => {
    asked.push(request);
    return committed.promise;
  };
  const ledger = {
    admit: take,
    settle: async (request: SettleRequest) => {
      if (unheld-- > 0) throw new Error('Reservation r1 is not held.');
      settled.push(request);
    },
  };
  let unheld = 0;
  const retries = createRetries({ clock: steppedClock(), log: { note: () => undefined, warn: () => undefined, fault: () => undefined } });
  const log = { note: () => undefined, warn: () => undefined, fault: () => undefined };
  const ports = {
    ledger,
    log,
    callers,
    clock: steppedClock(),
    newId: () => 'r1',
    hashArguments: () => undefined,
    metrics: { overSoftLimit: () => undefined },
    retries,
  };
  const key = testKey('ABCD1234');
  const authorized = {
    ...{ requestId: 'q1', verb: 'GET', headers: {}, address: '127.0.0.1' },
    ...{ caller: { key, ancestors: [] }, policy: { limits: { holdMsMax: 1_000 } }, upstream: { name: 'up', revision: 'v' } },
    ...{ intent, subject: {}, price: 10, counts: true, totals: [], rule },
    reply: { carry: (headers: Record<string, string>) => void carried.push(headers) },
  };
  vi.useFakeTimers();
  const notHeldYet = (times: number) => {
    unheld = times;
  };
  return { asked, carried, committed, settled, notHeldYet, admitting: admit(ports as never, authorized as unknown as Authorized) };
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
    {
      reservationId: 'r1',
      charge: 0,
      released: true,
      outcome: { kind: 'call.outcome', status: 'not-sent', ending: 'not-sent', charged: '0' },
    },
  ]);
});

test('a commit of which nothing is known is released as soon as there is a hold', async () => {
  const { committed, settled, notHeldYet, admitting } = prepare();
  notHeldYet(2);
  const refused = expect(admitting).rejects.toMatchObject({ reason: 'STORE_UNAVAILABLE' });
  committed.reject(new Error('the connection was lost'));
  await vi.advanceTimersByTimeAsync(0);
  await refused;
  expect(settled).toEqual([]);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(settled).toMatchObject([{ reservationId: 'r1', charge: 0, released: true }]);
});

test('a commit that was refused after all leaves nothing to release', async () => {
  const { committed, settled, admitting } = prepare();
  const refused = expect(admitting).rejects.toMatchObject({ reason: 'STORE_UNAVAILABLE' });
  await vi.advanceTimersByTimeAsync(5_000);
  await refused;
  committed.resolve({ kind: 'dead', reason: 'TOKEN_REVOKED' });
  await vi.advanceTimersByTimeAsync(5_000);
  expect(settled).toEqual([]);
});

test.each([
  ['full', undefined],
  ['full', {}],
  ['full', { charge: { lost: 'full' } }],
  ['none', { charge: { lost: 'none' } }],
] as const)('an expired hold is charged %s under the rule %o', async (onExpiry, rule) => {
  const { asked, carried, committed, admitting } = prepare(rule);
  committed.resolve({ kind: 'admitted', reservationId: 'r1' });
  await admitting;
  expect(asked).toMatchObject([{ reservationId: 'r1', onExpiry }]);
  expect(carried).toEqual([]);
});

test('the answer names the soft limits that the call goes beyond', async () => {
  const { carried, committed, admitting } = prepare();
  committed.resolve({ kind: 'admitted', reservationId: 'r1', over: ['key:ABCD1234 budget day', 'account:acme cap hour get_*'] });
  await admitting;
  expect(carried).toEqual([{ 'x-keygate-over': 'key:ABCD1234 budget day, account:acme cap hour get_*' }]);
});

test('a key that was narrowed to other addresses meanwhile is refused, and so is one that died', async () => {
  for (const [fresh, reason] of [
    [{ key: testKey('ABCD1234', { revision: 2 }), ancestors: [], admitsAddress: () => false }, 'ADDRESS_NOT_ALLOWED'],
    [{ key: testKey('ABCD1234', { revision: 2, revokedAt: 1 }), ancestors: [], admitsAddress: () => true }, 'TOKEN_REVOKED'],
    [undefined, 'TOKEN_INVALID'],
  ] as const) {
    const { asked, committed, admitting } = prepare(undefined, { again: async () => fresh });
    committed.resolve({ kind: 'stale' });
    await expect(admitting).rejects.toMatchObject({ reason });
    expect(asked).toHaveLength(1);
  }
});

test('what takes nothing has its key read anew', async () => {
  const dead = { key: testKey('ABCD1234', { revision: 2, revokedAt: 1 }), ancestors: [], admitsAddress: () => true };
  for (const intent of [{ kind: 'notification' }, { kind: 'answer' }, { kind: 'request', gate: { by: 'key', liveOnly: true } }]) {
    const { asked, admitting } = prepare(undefined, { again: async () => dead }, intent);
    await expect(admitting).rejects.toMatchObject({ reason: 'TOKEN_REVOKED' });
    expect(asked).toEqual([]);
  }
});
