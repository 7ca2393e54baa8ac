import { createHash } from 'node:crypto';
import type { Authority } from '../../src/authority/authority.ts';
import { changedMembers, type KeyRecord } from '../../src/domain/key.ts';
import { chainRecord, firstPrev, type RecordFacts } from '../../src/domain/record.ts';
import type { Factor, Factors } from '../../src/ports/factors.ts';
import type { Journal } from '../../src/ports/journal.ts';
import type { Acknowledgement, Actor, Keyring } from '../../src/ports/keyring.ts';
import { type Account, type Ledger, LedgerConflict, type LimitBreach, type UsageLine } from '../../src/ports/ledger.ts';
import type { Replay, Replays } from '../../src/ports/replays.ts';

export const startMs = Date.parse('2026-11-20T12:00:00.000Z');
const second = 1_000;

/** An authority over plain maps, with a clock and a random source that repeat: for acts, not for guarantees. */
export interface MemoryAuthority extends Authority {
  readonly records: Map<string, KeyRecord>;
  readonly actors: Actor[];
  readonly texts: string[];
  readonly factors: Factors;
  readonly replays: Replays;
  usageLines: readonly UsageLine[];
  /** What every preview answers. */
  breach: LimitBreach | undefined;
  /** Which replicas have acted on a change, and which have not. */
  acknowledgement: Acknowledgement | Promise<never>;
  advance(ms: number): void;
}

export function createMemoryAuthority(
  options: { expiry?: Authority['keys']['expiry']; guards?: Partial<Authority['keys']['guards']>; seed?: string } = {},
): MemoryAuthority {
  let now = startMs;
  const records = new Map<string, KeyRecord>();
  const actors: Actor[] = [];
  const texts: string[] = [];
  const random = seededBytes(options.seed ?? 'seed');
  const authority: MemoryAuthority = {
    clock: { now: () => now, monotonic: () => now },
    random,
    keyring: memoryKeyring({ records, actors, texts, now: () => now, acknowledgement: () => authority.acknowledgement }),
    ledger: memoryLedger({ texts, usage: () => authority.usageLines, breach: () => authority.breach }),
    factors: memoryFactors(texts),
    replays: memoryReplays(),
    journal: memoryJournal(texts),
    keys: {
      prefix: 'kg',
      peppers: ['newest-pepper-newest-pepper-newest', 'older-pepper-older-pepper-older-pe'],
      expiry: options.expiry ?? { defaultMs: 90 * 86_400 * second, maxMs: 365 * 86_400 * second, required: true },
      children: { depthMax: 3 },
      guards: {
        ...{ wildcard: 'warn', manage: 'warn', unbudgeted: 'warn', name: 'warn', duplicate: 'warn', expiry: 'warn' },
        ...options.guards,
      },
    },
    scopes: { hierarchy: ['read', 'trade', 'manage'] },
    upstreams: [
      { name: 'wiki', environment: 'live', pricedScopes: [['write:wiki']] },
      { name: 'sandbox', environment: 'test', pricedScopes: [] },
    ],
    records,
    actors,
    texts,
    usageLines: [],
    breach: undefined,
    acknowledgement: { acknowledged: ['replica'], pending: [] },
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

/** Journals what `replace` and `remove` do, as the store does; `insert` and `revoke` only leave their actor. */
function memoryKeyring(options: {
  records: Map<string, KeyRecord>;
  actors: Actor[];
  texts: string[];
  now: () => number;
  acknowledgement: () => Acknowledgement | Promise<never>;
}): Keyring {
  const { records, actors, texts, now } = options;
  const journal = (kind: RecordFacts['kind'], { id }: KeyRecord, by: Actor, facts: object): void => {
    actors.push(by);
    appendRecord(texts, { ...facts, kind, keyId: id, via: by.via, ...(by.keyId !== undefined && { byKeyId: by.keyId }) });
  };
  return {
    byDigest: async (wanted) =>
      [...records.values()].find(({ digests }) =>
        digests.some(({ digest, until }) => digest === wanted && (until === undefined || now() < until)),
      ),
    get: async (id) => records.get(id),
    async list({ filter: { parentId, ...equal }, limit, cursor }) {
      const all = [...records.values()]
        .filter((record) => Object.entries(equal).every(([name, value]) => record[name as keyof KeyRecord] === value))
        .filter((record) => parentId === undefined || record.parentIds[0] === parentId)
        .filter((record) => cursor === undefined || record.id > cursor)
        .sort((one, other) => (one.id < other.id ? -1 : 1));
      const keys = all.slice(0, limit);
      const last = keys.at(-1);
      return all.length > limit && last !== undefined ? { keys, nextCursor: last.id } : { keys };
    },
    epoch: () => actors.length,
    changedAt: () => actors.length,
    onChange: () => undefined,
    acknowledged: async () => options.acknowledgement(),
    async insert(record, by) {
      records.set(record.id, record);
      actors.push(by);
    },
    async replace({ record, expected, fact, by }) {
      const before = records.get(record.id);
      if (before === undefined) throw new Error(`There is no key ${record.id}.`);
      if (record.revision !== expected + 1) throw new Error(`The next revision of key ${record.id} is ${expected + 1}.`);
      if (before.revision !== expected) return false;
      records.set(record.id, record);
      journal(fact.kind, record, by, { ...fact, changed: changedMembers(before, record) });
      return true;
    },
    async remove(id, { reason, by }) {
      const record = records.get(id);
      if (record === undefined) return undefined;
      records.delete(id);
      journal('key.deleted', record, by, { reason });
      return record;
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

function memoryLedger(options: { texts: string[]; usage: () => readonly UsageLine[]; breach: () => LimitBreach | undefined }): Ledger {
  const accounts = new Map<string, Account>();
  const references = new Map<string, number>();
  const absent = async (): Promise<never> => {
    throw new Error('the memory ledger does not do this');
  };
  return {
    admit: absent,
    preview: async () => options.breach(),
    settle: absent,
    renew: absent,
    record: async (facts) => appendRecord(options.texts, facts),
    useOnce: absent,
    remembers: absent,
    sweep: absent,
    async createAccount({ id, now }) {
      if (accounts.has(id)) throw new LedgerConflict(`Account ${id} exists already.`);
      const account: Account = { id, balance: 0, held: 0, createdAt: now, budgets: [], caps: [], revision: 1 };
      accounts.set(id, account);
      return account;
    },
    account: async (id) => accounts.get(id),
    limitAccount: absent,
    adjust: absent,
    async credit({ accountId, amount, reference }) {
      const account = accounts.get(accountId);
      if (account === undefined) throw new Error('no such account');
      const before = references.get(reference);
      if (before === amount) return { account, replayed: true };
      if (before !== undefined) throw new LedgerConflict('This reference stands for another amount.');
      references.set(reference, amount);
      const after = { ...account, balance: account.balance + amount };
      accounts.set(accountId, after);
      return { account: after, replayed: false };
    },
    usage: async () => [...options.usage()],
  };
}

function memoryFactors(texts: string[]): Factors {
  const factors = new Map<string, Factor>();
  return {
    get: async (keyId) => factors.get(keyId),
    async put({ factor, expected, record }) {
      if ((factors.get(factor.keyId)?.revision ?? 0) !== expected) return false;
      factors.set(factor.keyId, factor);
      appendRecord(texts, { ...record, keyId: factor.keyId });
      return true;
    },
  };
}

function memoryReplays(): Replays {
  const attempts = new Map<string, { bodyHash: string; answer?: Extract<Replay, { kind: 'answered' }> }>();
  return {
    async begin({ id, bodyHash }) {
      const before = attempts.get(id);
      if (before === undefined) {
        attempts.set(id, { bodyHash });
        return { kind: 'new' };
      }
      return before.bodyHash === bodyHash ? (before.answer ?? { kind: 'running' }) : { kind: 'mismatch' };
    },
    async finish({ id, status, body }) {
      const before = attempts.get(id);
      if (before) attempts.set(id, { ...before, answer: { kind: 'answered', status, body } });
    },
    async forget(id) {
      if (attempts.get(id)?.answer === undefined) attempts.delete(id);
    },
  };
}

function memoryJournal(texts: string[]): Journal {
  return {
    read: async ({ after, limit }) => texts.slice(after, after + limit).map((text, at) => ({ position: after + at + 1, text })),
    head: async () => texts.length,
    checkpoints: async () => [],
    faults: async () => [],
    checkpoint: async () => [],
    keepUp: async () => undefined,
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
