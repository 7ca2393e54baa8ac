import { type KeyRecord, rootOf } from '../../domain/key.ts';
import { accountHolder } from '../../domain/limits.ts';
import type { StateEntry } from '../../ports/dump.ts';
import type { Connection } from './connection.ts';
import { digestPointer } from './key-records.ts';
import { elsewhere, inPartition, partitionOf, prefixOf } from './layout.ts';
import { fieldsOfPin, homeOf } from './pins.ts';
import { loadScript } from './scripts.ts';

/** One command on one name, its arguments after the name. */
export interface Write {
  /** Decides the slot, and begins the name. */
  readonly key: string;
  readonly command: 'SET' | 'HSET' | 'ZADD' | 'PEXPIRE';
  readonly rest: string;
  readonly args: readonly string[];
}

/** Forgotten this much later by the server's clock than by the gateways', in ms, as when they are kept first. */
const slackMs = 60_000;
/** Fields that one command sets. */
const fieldsMax = 500;

/** What an entry becomes in Redis. @throws Error where it belongs to a key that no entry before it brought */
export async function writesOf({ client }: Pick<Connection, 'client'>, entry: StateEntry, now: number): Promise<Write[]> {
  const partitionOfHolder = async (holder: string): Promise<string> => {
    if (holder.startsWith(accountHolder(''))) return partitionOf(holder);
    const partition = await client.get(elsewhere.id(holder));
    if (partition === null) throw new Error(`There is no key ${holder} for what was kept about it; it cannot be taken in.`);
    return partition;
  };
  switch (entry.is) {
    case 'fingerprint':
      return fields(elsewhere.meta, '', [`fingerprint ${entry.name}`, entry.value]);
    case 'key':
      return writesOfKey(entry.record);
    case 'account': {
      const { id, balance, createdAt, budgets, caps, revision } = entry.account;
      const partition = partitionOf(accountHolder(id));
      const numbers = ['balance', String(balance), 'held', '0', 'created', String(createdAt), 'rev', String(revision)];
      return inThe(partition, inPartition.account(partition, id), [...numbers, 'limits', JSON.stringify({ budgets, caps })]);
    }
    case 'reference': {
      const partition = 'account' in entry.of ? partitionOf(accountHolder(entry.of.account)) : entry.of.partition;
      return [at(partition, 'SET', inPartition.reference(partition, entry.hash), [String(entry.amount)])];
    }
    case 'counters': {
      const partition = await partitionOfHolder(entry.holder);
      const counters = Object.entries(entry.counters).flatMap(([counter, windows]) => [
        counter,
        JSON.stringify(windows.flatMap(({ start, spent, told }) => [start, spent, 0, told ?? 0])),
      ]);
      return inThe(partition, inPartition.counters(partition, entry.holder), counters);
    }
    case 'totals': {
      const partition = await partitionOfHolder(entry.holder);
      const totals = Object.entries(entry.totals).flatMap(([counter, total]) => [counter, JSON.stringify(total)]);
      return inThe(partition, inPartition.totals(partition, entry.holder), totals);
    }
    case 'factor': {
      const { keyId, revision } = entry.factor;
      const partition = await partitionOfHolder(keyId);
      return inThe(partition, inPartition.factor(partition, keyId), ['rev', String(revision), 'factor', JSON.stringify(entry.factor)]);
    }
    case 'pin': {
      const { upstream } = entry.pin;
      const partition = homeOf(upstream);
      const { pin, texts } = fieldsOfPin(entry.pin);
      const [name, textsName] = [inPartition.pins(partition, upstream), inPartition.pinTexts(partition, upstream)];
      return [...inThe(partition, name, ['n', '1', ...pin]), ...inThe(partition, textsName, texts)];
    }
    case 'progress':
      return [{ key: elsewhere.progress(entry.name), command: 'SET', rest: '', args: [String(entry.position)] }];
    case 'once':
      return [{ key: elsewhere.once(entry.hash), command: 'SET', rest: '', args: ['1', 'PX', leftMs(entry.until, now)] }];
    case 'replay': {
      const { hash, bodyHash, until, answer } = entry;
      const key = elsewhere.replay(hash);
      const answered = answer ? ['status', String(answer.status), 'answer', answer.body] : [];
      const kept = fields(key, '', ['body', bodyHash, 'until', String(until), ...answered]);
      return [...kept, { key, command: 'PEXPIRE', rest: '', args: [leftMs(until, now)] }];
    }
  }
}

/** The names that lead to the key come with it; nobody can read anything until all is written. */
function writesOfKey(record: KeyRecord): Write[] {
  const { id, revision, revokedAt, expiresAt, digests } = record;
  const partition = partitionOf(rootOf(record));
  const text = JSON.stringify(record);
  const dead = revokedAt === undefined ? [] : ['revoked', String(revokedAt)];
  const ends = expiresAt === undefined ? [] : ['expires', String(expiresAt)];
  return [
    ...inThe(partition, inPartition.key(partition, id), ['rev', String(revision), 'record', text, ...dead, ...ends]),
    { key: elsewhere.id(id), command: 'SET', rest: '', args: [partition] },
    { key: elsewhere.index, command: 'ZADD', rest: '', args: ['0', id] },
    ...digests.map(({ digest }): Write => {
      return { key: elsewhere.digest(digest), command: 'SET', rest: '', args: [digestPointer({ id, partition })] };
    }),
  ];
}

/** Runs writes, those of one slot in one script, in their order. Resolves once they are as durable as the configuration asks. */
export async function runWrites(connection: Pick<Connection, 'run'>, writes: readonly Write[]): Promise<void> {
  const script = loadScript('restore-put');
  const bySlot = new Map<string, string[]>();
  for (const { key, command, rest, args } of writes) {
    const all = bySlot.get(key) ?? [];
    all.push(String(args.length + 1), command, rest, ...args);
    bySlot.set(key, all);
  }
  await Promise.all([...bySlot].map(([key, args]) => connection.run(script, [key], args)));
}

function inThe(partition: string, name: string, pairs: readonly string[]): Write[] {
  return fields(prefixOf(partition), name.slice(prefixOf(partition).length), pairs);
}

function at(partition: string, command: Write['command'], name: string, args: readonly string[]): Write {
  return { key: prefixOf(partition), command, rest: name.slice(prefixOf(partition).length), args };
}

function fields(key: string, rest: string, pairs: readonly string[]): Write[] {
  const parts = Array.from({ length: Math.ceil(pairs.length / (2 * fieldsMax)) }, (_, part) => part * 2 * fieldsMax);
  return parts.map((from) => ({ key, command: 'HSET', rest, args: pairs.slice(from, from + 2 * fieldsMax) }));
}

function leftMs(until: number, now: number): string {
  return String(Math.ceil(Math.max(0, until - now)) + slackMs);
}
