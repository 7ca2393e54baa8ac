import { factsOf } from '../../domain/key-facts.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Factor, Factors } from '../../ports/factors.ts';
import type { Connection } from './connection.ts';
import { entryArguments } from './key-entry.ts';
import type { KeyRecords } from './key-records.ts';
import { inPartition, prefixOf } from './layout.ts';
import { loadScript } from './scripts.ts';

/**
 * The factors port on Redis. A factor stands in the partition of its key, as a hash of `rev`, `factor` (JSON) and `op` (the name of the write that put
 * it), so it and its journal record are one commit, and it goes with its key.
 */
export function createFactors(options: { connection: Connection; clock: Clock; records: KeyRecords; nextName: () => string }): Factors {
  const { connection, clock, records, nextName } = options;
  const script = loadScript('factor-put');
  return {
    async get(keyId) {
      const key = await records.read(keyId);
      if (!key) return undefined;
      const text = await connection.client.hget(inPartition.factor(key.partition, keyId), 'factor');
      return text === null ? undefined : (JSON.parse(text) as Factor);
    },
    async put({ factor, expected, record }) {
      const { keyId, revision } = factor;
      if (revision !== expected + 1) {
        throw new Error(`The next revision of the factor of key ${keyId} is ${expected + 1}, not ${revision}.`);
      }
      const key = await records.read(keyId);
      if (!key) throw new Error(`There is no key ${keyId}.`);
      const entry = entryArguments({ ...record, ...factsOf(key.record) }, clock.now());
      const args = [keyId, String(expected), nextName(), String(revision), JSON.stringify(factor), ...entry];
      const answer = await connection.run(script, [prefixOf(key.partition)], args);
      if (answer === 'missing') throw new Error(`There is no key ${keyId}.`);
      return answer === 'ok';
    },
  };
}
