import { startRedis, type TestRedis } from './redis-server.ts';

/** Databases of one server: each gateway of a test gets the next one, which is empty. */
const databases = 10_000;

let server: Promise<TestRedis> | undefined;
let used = 0;

/**
 * What a test's configuration says about its store: nothing in the ordinary run, a Redis database of its own in the run on Redis. The server is started
 * by the first test of a worker that needs it, and ends with the worker.
 */
export async function testStore(): Promise<{ store: string } | Record<string, never>> {
  if (process.env['KEYGATE_TEST_STORE'] !== 'redis') return {};
  server ??= startRedis({ args: ['--databases', String(databases)] });
  const { url } = await server;
  used += 1;
  return { store: `${url}/${used % databases}` };
}
