import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import type { Config } from '../../src/config/schema.ts';

/** Everything that a store holds, as text: the files of an embedded one, or every name and value of a Redis database. */
export async function storedText(store: Config['store']): Promise<{ text: string; files: readonly string[] }> {
  if (store.kind === 'redis') return { text: await redisText(store.url), files: [] };
  const folder = join(store.folder, 'store');
  const files = readdirSync(folder).map((name) => join(folder, name));
  return { text: files.map((file) => readFileSync(file).toString('latin1')).join('\n'), files };
}

const readers: Readonly<Record<string, (redis: Redis, key: string) => Promise<unknown>>> = {
  string: (redis, key) => redis.get(key),
  hash: (redis, key) => redis.hgetall(key),
  list: (redis, key) => redis.lrange(key, 0, -1),
  set: (redis, key) => redis.smembers(key),
  zset: (redis, key) => redis.zrange(key, '0', '-1'),
  stream: (redis, key) => redis.xrange(key, '-', '+'),
};

async function redisText(url: string): Promise<string> {
  const redis = new Redis(url);
  try {
    const found: string[] = [];
    for (const key of await redis.keys('*')) {
      const type = await redis.type(key);
      const read = readers[type];
      // A key may end by its own time between the two questions.
      if (type === 'none') continue;
      if (!read) throw new Error(`${key} is a ${type}, which nothing here reads`);
      // Plain, since a value may be JSON itself: escaped twice, a secret in it would not be recognised.
      found.push(key, flat(await read(redis, key)));
    }
    return found.join('\n');
  } finally {
    redis.disconnect();
  }
}

function flat(value: unknown): string {
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) return value.map(flat).join('\n');
  return typeof value === 'object' && value !== null ? Object.entries(value).map(flat).join('\n') : String(value);
}
