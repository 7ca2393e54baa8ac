import type { Archive, ArchiveSeries } from '../../../ports/archive.ts';
import type { Connection } from '../connection.ts';
import { archiveNames } from './names.ts';

/** The archive that stands in Redis itself, for stores without another. It takes Redis' memory: about 1 KB for each call. */
export interface RedisArchive extends Archive {
  /** The lowest number of a series, 0 where it is empty. */
  oldest(series: ArchiveSeries): Promise<number>;
}

export function createRedisArchive({ client }: Pick<Connection, 'client'>): RedisArchive {
  return {
    put: async (name, text) => {
      // Not a script: a script would copy the text several times, and Redis would answer nobody meanwhile.
      const kept = await client.set(archiveNames.text(name), text, 'NX');
      // Also where the number is taken: whoever took it may have died before this.
      await client.zadd(archiveNames.numbers(name.series), name.number, String(name.number));
      return kept === 'OK';
    },
    get: async (name) => (await client.get(archiveNames.text(name))) ?? undefined,
    newest: async (series) => Number((await client.zrevrange(archiveNames.numbers(series), 0, 0))[0] ?? 0),
    oldest: async (series) => Number((await client.zrange(archiveNames.numbers(series), '0', '0'))[0] ?? 0),
    remove: async (name) => {
      await client.unlink(archiveNames.text(name));
      await client.zrem(archiveNames.numbers(name.series), name.number);
    },
    describe: () => 'the archive in Redis',
  };
}
