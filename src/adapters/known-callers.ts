import { BlockList, isIPv4, isIPv6 } from 'node:net';
import { digestKey, readKey } from '../domain/credential.ts';
import { compileGlob } from '../domain/glob.ts';
import type { KeyRecord } from '../domain/key.ts';
import { compileScopes, type ScopeOrder, type ScopeSet } from '../domain/scope.ts';
import type { Caller, Callers } from '../ports/callers.ts';
import type { Keyring } from '../ports/keyring.ts';

/** Entries kept; beyond, the oldest go first. Unknown keys have a bound of their own, so that a flood of them evicts nobody. */
export interface CallerCacheLimits {
  readonly callersMax: number;
  readonly unknownMax: number;
}

/**
 * Callers by key, cached under the full digest (a truncated one would let keys collide) until the store's epoch moves.
 * @param peppers newest first
 */
export function createKnownCallers(options: {
  keyring: Keyring;
  prefix: string;
  peppers: readonly string[];
  order: ScopeOrder;
  limits: CallerCacheLimits;
}): Callers {
  const { keyring, prefix, peppers, order, limits } = options;
  const byDigest = new Map<string, Caller>();
  const byId = new Map<string, Caller>();
  const unknown = new Set<string>();
  const scopeSets = new Map<string, ScopeSet>();
  let epoch = keyring.epoch();

  const refresh = () => {
    const now = keyring.epoch();
    if (now === epoch) return;
    epoch = now;
    byDigest.clear();
    byId.clear();
    unknown.clear();
    scopeSets.clear();
  };

  /** Keys with the same scopes share one compiled set: ten thousand keys with sets of their own cost tail latency (measured). */
  const scopesOf = (key: KeyRecord): ScopeSet => {
    const text = key.scopes.join(' ');
    const known = scopeSets.get(text);
    if (known) return known;
    const compiled = compileScopes(key.scopes, order);
    scopeSets.set(text, compiled);
    return compiled;
  };

  const compile = (key: KeyRecord): Caller => {
    const ancestors: KeyRecord[] = [];
    for (const id of key.parentIds) {
      const ancestor = keyring.get(id);
      if (!ancestor) throw new Error(`key ${key.id} descends from ${id}, which is not in the store`);
      ancestors.push(ancestor);
    }
    const line = [key, ...ancestors];
    return { key, ancestors, scopes: scopesOf(key), admitsAddress: addressTest(line), admitsTool: toolTest(line) };
  };

  const find = (digest: string): Caller | undefined => {
    const known = byDigest.get(digest);
    if (known) return known;
    if (unknown.has(digest)) return undefined;
    const record = keyring.byDigest(digest);
    if (!record) {
      unknown.add(digest);
      trim(unknown, limits.unknownMax);
      return undefined;
    }
    const caller = compile(record);
    byDigest.set(digest, caller);
    trim(byDigest, limits.callersMax);
    return caller;
  };

  return {
    byKey(text) {
      if (!readKey(text, prefix)) return undefined;
      refresh();
      for (const pepper of peppers) {
        const caller = find(digestKey(text, pepper));
        if (caller) return caller;
      }
      return undefined;
    },
    byId(id) {
      refresh();
      const known = byId.get(id);
      if (known) return known;
      const record = keyring.get(id);
      if (!record) return undefined;
      const caller = compile(record);
      byId.set(id, caller);
      trim(byId, limits.callersMax);
      return caller;
    },
  };
}

function trim(entries: Map<string, unknown> | Set<string>, max: number): void {
  if (entries.size <= max) return;
  for (const oldest of entries.keys()) {
    entries.delete(oldest);
    return;
  }
}

/** Inside the blocks of the key and of every ancestor that names any (I7). */
function addressTest(line: readonly KeyRecord[]): (address: string) => boolean {
  const lists = line.filter((key) => key.addresses.length > 0).map((key) => blockList(key.addresses));
  if (lists.length === 0) return () => true;
  return (address) => {
    const plain = address.startsWith('::ffff:') && isIPv4(address.slice(7)) ? address.slice(7) : address;
    const family = isIPv4(plain) ? 'ipv4' : isIPv6(plain) ? 'ipv6' : undefined;
    return family !== undefined && lists.every((list) => list.check(plain, family));
  };
}

function blockList(addresses: readonly string[]): BlockList {
  const list = new BlockList();
  for (const block of addresses) {
    const [address = '', bits] = block.split('/');
    const family = isIPv4(address) ? 'ipv4' : 'ipv6';
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return list;
}

function toolTest(line: readonly KeyRecord[]): (tool: string) => boolean {
  const lists = line.filter((key) => key.tools.length > 0).map((key) => key.tools.map((pattern) => compileGlob(pattern, 'name')));
  if (lists.length === 0) return () => true;
  return (tool) => lists.every((patterns) => patterns.some((matches) => matches(tool)));
}
