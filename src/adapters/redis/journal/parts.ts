import type { KeyObject } from 'node:crypto';
import type { LineSigner } from '../../../domain/signed-line.ts';
import type { Archive } from '../../../ports/archive.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { Duties } from '../../../ports/duties.ts';
import type { Log } from '../../../ports/observe.ts';
import type { Connection } from '../connection.ts';
import type { Notes } from './note.ts';
import type { RedisArchive } from './redis-archive.ts';

/** What a journal on Redis is made of. */
export interface JournalParts {
  readonly connection: Connection;
  /** Where segments are kept now; may be the one in Redis. */
  readonly archive: Archive;
  readonly redisArchive: RedisArchive;
  readonly notes: Notes;
  readonly duties: Duties;
  readonly signer: LineSigner;
  /** Keys by their id, those that no longer sign included. */
  readonly publicKeys: () => ReadonlyMap<string, KeyObject>;
  readonly clock: Clock;
  readonly log: Log;
  /** A name for a new archive, never used twice. */
  readonly newId: () => string;
}
