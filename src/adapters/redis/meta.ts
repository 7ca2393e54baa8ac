import type { Connection } from './connection.ts';
import { elsewhere, partitionCount } from './layout.ts';
import { loadScript } from './scripts.ts';

const schemaVersion = 2;

/** Writes down what the store is where it is new, and refuses one that this build would misread. @throws Error */
export async function checkSchema(connection: Pick<Connection, 'run'>): Promise<void> {
  const schema = await keep(connection, 'schema', String(schemaVersion));
  if (schema !== String(schemaVersion)) {
    throw new Error(
      `The store has schema version ${schema}; this build reads ${schemaVersion}. Run the release it belongs to, or export the store with that and ` +
        'import it into an empty one.',
    );
  }
  const partitions = await keep(connection, 'partitions', String(partitionCount));
  if (partitions !== String(partitionCount)) {
    throw new Error(`The store has ${partitions} partitions; this build has ${partitionCount}. Run the release it belongs to.`);
  }
}

/** The first call keeps the value under the name. @throws Error where another value is kept: it is not the store of this configuration */
export async function keepFingerprint(connection: Pick<Connection, 'run'>, name: string, value: string): Promise<void> {
  if ((await keep(connection, `fingerprint ${name}`, value)) === value) return;
  throw new Error(`The ${name} configured is not the one that this store was made with. Configure that one, or another store.`);
}

/** What is kept under the name: this value, where none was. */
function keep({ run }: Pick<Connection, 'run'>, name: string, value: string): Promise<unknown> {
  return run(loadScript('meta-keep'), [elsewhere.meta], [name, value]);
}
