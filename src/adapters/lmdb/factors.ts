import { factsOf } from '../../domain/key-facts.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Factors } from '../../ports/factors.ts';
import { draftRecords, writeDrafts } from './append.ts';
import type { Tables } from './tables.ts';

/** The factors port on LMDB: the factor and its journal record are one commit. */
export function createFactors({ tables, clock }: { tables: Tables; clock: Clock }): Factors {
  return {
    get: async (keyId) => tables.factors.get(keyId),
    put: (request) => tables.commit(() => put(tables, clock.now(), request)),
  };
}

/** @throws Error, before any write, where there is no such key or the factor's revision does not follow the expected one */
function put(tables: Tables, now: number, { factor, expected, record }: Parameters<Factors['put']>[0]): boolean {
  const { keyId, revision } = factor;
  if (revision !== expected + 1) throw new Error(`The next revision of the factor of key ${keyId} is ${expected + 1}, not ${revision}.`);
  const key = tables.readKey(keyId);
  if (!key) throw new Error(`There is no key ${keyId}.`);
  if ((tables.factors.get(keyId)?.revision ?? 0) !== expected) return false;
  const drafts = draftRecords(tables, now, [{ ...record, ...factsOf(key) }]);
  tables.factors.put(keyId, factor);
  writeDrafts(tables, drafts);
  return true;
}
