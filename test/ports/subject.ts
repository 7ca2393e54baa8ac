import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import type { Calendar } from '../../src/domain/calendar.ts';
import type { KeyRecord } from '../../src/domain/key.ts';
import { rootOf } from '../../src/domain/key.ts';
import type { Micros } from '../../src/domain/money.ts';
import type { JournalRecord, RecordFacts } from '../../src/domain/record.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { Duties } from '../../src/ports/duties.ts';
import type { Factors } from '../../src/ports/factors.ts';
import type { Journal } from '../../src/ports/journal.ts';
import type { Keyring } from '../../src/ports/keyring.ts';
import type { AdmitRequest, Ledger } from '../../src/ports/ledger.ts';
import type { Pins } from '../../src/ports/pins.ts';
import type { Replays } from '../../src/ports/replays.ts';

/** A store as the contract suites see it: the ports, the clock they run on, and the key that checkpoints are signed with. */
export interface Subject {
  readonly keyring: Keyring;
  readonly ledger: Ledger;
  readonly journal: Journal;
  readonly factors: Factors;
  readonly replays: Replays;
  readonly pins: Pins;
  readonly duties: Duties;
  readonly clock: SteppedClock;
  readonly publicKeys: ReadonlyMap<string, KeyObject>;
  close(): Promise<void>;
}

/** Opens an empty store, whose clock stands at `start` and whose thresholds are `testThresholds`. This process life is its gateway. */
export type OpenSubject = () => Promise<Subject>;

/** Percentages at which limits are reported. */
export const testThresholds: readonly number[] = [50, 80, 100];

export interface SteppedClock extends Clock {
  step(ms: number): void;
}

/** Noon UTC of a Wednesday. */
export const start = Date.UTC(2026, 6, 15, 12, 0, 0);
export const minute = 60_000;
export const hour = 60 * minute;
export const day = 24 * hour;

export function steppedClock(at = start): SteppedClock {
  let now = at;
  return {
    now: () => now,
    monotonic: () => now,
    step: (ms) => {
      now += ms;
    },
  };
}

/** Windows of UTC days and shorter: enough for the suites, and independent of the real calendar. */
export const plainCalendar: Calendar = {
  window: (per, _zone, now) => {
    const length = per === 'minute' ? minute : per === 'hour' ? hour : day;
    const begin = Math.floor(now / length) * length;
    return { start: begin, end: begin + length };
  },
};

/** An Ed25519 signing key; the same one for the same seed text, so that a child process can be given it. */
export function testSigner(): { kid: string; sign(text: string): string; publicKeys: ReadonlyMap<string, KeyObject> } {
  const { privateKey } = generateKeyPairSync('ed25519');
  return {
    kid: 'test-key',
    sign: (text) => sign(null, Buffer.from(text), privateKey).toString('base64url'),
    publicKeys: new Map([['test-key', createPublicKey(privateKey)]]),
  };
}

export function micros(amount: number): Micros {
  return amount as Micros;
}

/** A live key without limits; `changes` replace members. */
export function testKey(id: string, changes: Partial<KeyRecord> = {}): KeyRecord {
  return {
    id,
    name: `key ${id}`,
    kind: 'agent',
    environment: 'live',
    prefix: `kg_live_${id}`,
    last4: 'wxyz',
    parentIds: [],
    scopes: ['read'],
    budgets: [],
    caps: [],
    upstreams: [],
    tools: [],
    addresses: [],
    createdAt: start,
    revision: 1,
    digests: [{ digest: digestOf(id), pepperId: 'p1' }],
    ...changes,
  };
}

export function digestOf(id: string): string {
  return createHash('sha256').update(`secret of ${id}`).digest('hex');
}

export const intentFacts: RecordFacts = { kind: 'call.intent', upstream: 'wiki', method: 'tools/call' };
export const outcomeFacts: RecordFacts = { kind: 'call.outcome', upstream: 'wiki', method: 'tools/call', status: 200 };

/** A counted call of `key`, as the admit stage would ask for it. */
export function admitRequest(key: KeyRecord, changes: Partial<AdmitRequest> & { reservationId: string }): AdmitRequest {
  const now = changes.now ?? start;
  return {
    root: rootOf(key),
    key,
    ancestors: [],
    counts: true,
    tool: 'get_page',
    price: micros(0),
    now,
    holdUntil: now + 2 * minute,
    intent: { ...intentFacts, keyId: key.id, requestId: `request of ${changes.reservationId}` },
    ...changes,
  };
}

/** Everything that is committed, as exact texts in the order in which the journal is read. */
export async function linesOf(journal: Journal): Promise<string[]> {
  await journal.head();
  const lines = await journal.read({ after: 0, limit: 1_000_000 });
  return lines.map(({ text }) => text);
}

/**
 * Every record, parsed. Records about one key and its ledger root stand in the order of their commits; nothing is said of how those of
 * different roots stand to each other.
 */
export async function recordsOf(journal: Journal): Promise<JournalRecord[]> {
  return (await linesOf(journal)).map((text) => JSON.parse(text));
}

/** The records about one key, in the order of their commits. */
export async function recordsAbout(journal: Journal, keyId: string): Promise<JournalRecord[]> {
  return (await recordsOf(journal)).filter((record) => record.keyId === keyId);
}

/** How many records are committed: a commit that failed leaves this as it was. */
export async function countOf(journal: Journal): Promise<number> {
  return (await linesOf(journal)).length;
}

/** The final charge of every reservation in micro-units (I8): a corrected outcome replaces the one before it. */
export function chargesOf(records: readonly RecordFacts[]): Map<string, number> {
  const charges = new Map<string, number>();
  for (const { kind, reservationId, charged } of records) {
    if (kind !== 'call.outcome' || reservationId === undefined || charged === undefined) continue;
    charges.set(reservationId, Math.round(Number(charged) * 1_000_000));
  }
  return charges;
}
