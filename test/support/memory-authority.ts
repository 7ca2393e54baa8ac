import { createHash } from 'node:crypto';
import type { Authority } from '../../src/authority/authority.ts';
import type { KeyRecord } from '../../src/domain/key.ts';
import { chainRecord, firstPrev, type RecordFacts } from '../../src/domain/record.ts';
import type { Journal } from '../../src/ports/journal.ts';
import type { Actor, Keyring } from '../../src/ports/keyring.ts';
import type { Account, Ledger, UsageLine } from '../../src/ports/ledger.ts';

export const startMs = Date.parse('2026-11-20T12:00:00.000Z');
const second = 1_000;

/** An authority over plain maps, with a clock and a random source that repeat: for acts, not for guarantees. */
export interface MemoryAuthority extends Authority {
  readonly records: Map<string, KeyRecord>;
  readonly actors: Actor[];
  readonly texts: string[];
  usageLines: readonly UsageLine[];
  advance(ms: number): void;
}

export function createMemoryAuthority(options: { expiry?: Authority['keys']['expiry']; seed?: string } = {}): MemoryAuthority {
  let now = startMs;
  const records = new Map<string, KeyRecord>();
  const actors: Actor[] = [];
  const texts: string[] = [];
  const random = seededBytes(options.seed ?? 'seed');
  const authority: MemoryAuthority = {
    clock: { now: () => now, monotonic: () => now },
    random,
    keyring: memoryKeyring(records, actors),
    ledger: memoryLedger(() => authority.usageLines),
    journal: memoryJournal(texts),
    keys: {
      prefix: 'kg',
      peppers: ['newest-pepper-newest-pepper-newest', 'older-pepper-older-pepper-older-pe'],
      expiry: options.expiry ?? { defaultMs: 90 * 86_400 * second, maxMs: 365 * 86_400 * second, required: true },
    },
    upstreams: [
      { name: 'wiki', environment: 'live' },
      { name: 'sandbox', environment: 'test' },
    ],
    records,
    actors,
    texts,
    usageLines: [],
    advance(ms) {
      now += ms;
    },
  };
  return authority;
}

/** Appends a record to the journal of a memory authority, chained as the real one chains. */
export function appendRecord(texts: string[], facts: RecordFacts): void {
  const prev = /"hash":"([0-9a-f]{64})"\}$/.exec(texts.at(-1) ?? '')?.[1] ?? firstPrev;
  texts.push(chainRecord({ facts, partition: 'main', seq: texts.length + 1, time: startMs, prev }).text);
}

function memoryKeyring(records: Map<string, KeyRecord>, actors: Actor[]): Keyring {
  return {
    byDigest: (digest) => [...records.values()].find((record) => record.digests.some((each) => each.digest === digest)),
    get: (id) => records.get(id),
    list({ filter, limit, cursor }) {
      const wanted = Object.entries(filter);
      const all = [...records.values()]
        .filter((record) => wanted.every(([name, value]) => record[name as keyof KeyRecord] === value))
        .filter((record) => cursor === undefined || record.id > cursor)
        .sort((one, other) => (one.id < other.id ? -1 : 1));
      const keys = all.slice(0, limit);
      const last = keys.at(-1);
      return all.length > limit && last !== undefined ? { keys, nextCursor: last.id } : { keys };
    },
    epoch: () => actors.length,
    async insert(record, by) {
      records.set(record.id, record);
      actors.push(by);
    },
    async revoke(id, { reason, at, by }) {
      const record = records.get(id);
      if (record === undefined || record.revokedAt !== undefined) return record;
      const revoked = { ...record, revokedAt: at, revokedReason: reason, revision: record.revision + 1 };
      records.set(id, revoked);
      actors.push(by);
      return revoked;
    },
  };
}

function memoryLedger(usage: () => readonly UsageLine[]): Ledger {
  const accounts = new Map<string, Account>();
  const references = new Map<string, number>();
  const absent = async (): Promise<never> => {
    throw new Error('the memory ledger does not do this');
  };
  return {
    admit: absent,
    settle: absent,
    renew: absent,
    record: absent,
    useOnce: absent,
    sweep: absent,
    async createAccount({ id, now }) {
      const account = { id, balance: 0, held: 0, createdAt: now };
      accounts.set(id, account);
      return account;
    },
    account: (id) => accounts.get(id),
    async credit({ accountId, amount, reference }) {
      const account = accounts.get(accountId);
      if (account === undefined) throw new Error('no such account');
      const before = references.get(reference);
      if (before === amount) return { account, replayed: true };
      if (before !== undefined) throw new Error('The reference was used before, for another amount.');
      references.set(reference, amount);
      const after = { ...account, balance: account.balance + amount };
      accounts.set(accountId, after);
      return { account: after, replayed: false };
    },
    usage: () => [...usage()],
  };
}

function memoryJournal(texts: string[]): Journal {
  return {
    read: ({ after, limit }) => texts.slice(after, after + limit).map((text, at) => ({ seq: after + at + 1, text })),
    head: () => ({ seq: texts.length, hash: /"hash":"([0-9a-f]{64})"\}$/.exec(texts.at(-1) ?? '')?.[1] ?? firstPrev }),
    checkpoints: () => [],
    checkpoint: async () => undefined,
    prune: async () => 0,
  };
}

/** SHA-256 in counter mode: bytes that look random and come out the same in every run. */
function seededBytes(seed: string): (bytes: number) => Uint8Array {
  let counter = 0;
  return (bytes) => {
    const blocks: Buffer[] = [];
    for (let length = 0; length < bytes; length += 32) {
      counter += 1;
      blocks.push(createHash('sha256').update(`${seed}:${counter}`).digest());
    }
    return new Uint8Array(Buffer.concat(blocks).subarray(0, bytes));
  };
}
