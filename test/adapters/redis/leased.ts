import { withLeases } from '../../../src/adapters/redis/leased-ledger.ts';
import type { KeyRecord } from '../../../src/domain/key.ts';
import type { AdmitRequest } from '../../../src/ports/ledger.ts';
import { type Calls, callsOn } from '../../ports/calls.ts';
import { plainCalendar, testThresholds } from '../../ports/subject.ts';
import type { TestRedis } from '../../support/redis-server.ts';
import { openBeside, type RedisSubject } from './open.ts';

/** A gateway whose ledger admits from leases. */
export interface LeasedSubject extends RedisSubject {
  readonly calls: Calls;
  /** Gives back every lease, as a process does that ends; `close` alone is what a process does that dies. */
  giveBack(): Promise<void>;
}

type Options = NonNullable<Parameters<typeof openBeside>[1]>;

/** Longer than any test takes: no timer closes a lease in the middle. */
export const terms = { calls: 10, ms: 60_000 } as const;

/** Opens one gateway more on what stands on the server. */
export async function openLeased(server: Pick<TestRedis, 'url'>, options: Options = {}): Promise<LeasedSubject> {
  const { name = 'test-life', calendar = plainCalendar } = options;
  const subject = await openBeside(server, options);
  const { connection, clock } = subject.life;
  const leased = withLeases(subject.ledger, { connection, clock, calendar, instance: name, thresholds: () => testThresholds });
  const all = { ...subject, ledger: leased.ledger };
  return { ...all, calls: callsOn(all), giveBack: () => leased.close() };
}

/** Lets the gateway know the limits of an account, as it does after its first calls; the first lease is taken at once then. */
export async function acquaint({ calls }: { calls: Calls }, accountId: string): Promise<void> {
  const key = await calls.minted(`knows-${accountId}`, { accountId });
  for (const id of await admitMany({ calls }, key, { count: 3, price: 0 })) await calls.settle(key, id);
}

/** Admits so many calls, one after the other, and resolves to their ids. @throws Error where one is not admitted */
export async function admitMany(
  { calls }: { calls: Calls },
  key: KeyRecord,
  options: { count: number; price: number } & Omit<Partial<AdmitRequest>, 'price'>,
): Promise<string[]> {
  const { count, price, ...changes } = options;
  const ids: string[] = [];
  for (let at = 0; at < count; at += 1) {
    const answer = await calls.admit(key, price, { lease: terms, ...changes });
    if (answer.kind !== 'admitted') throw new Error(`Call ${at} of ${count} was ${JSON.stringify(answer)}.`);
    ids.push(answer.reservationId);
  }
  return ids;
}
