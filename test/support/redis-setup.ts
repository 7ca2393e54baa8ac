import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
const installMsMax = 180_000;

/**
 * Before any test: a redis-server and a redis-cli have to be there, because the tests of the shared store run against real ones and none of
 * them is skipped. Where there are none, Debian's package is installed if this user may do so.
 */
export async function setup(): Promise<void> {
  if (await present()) return;
  const asRoot = process.getuid?.() === 0 ? [] : ['sudo', '-n'];
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const apt = async (...args: string[]) => {
    const [program = '', ...rest] = [...asRoot, 'apt-get', ...args];
    await run(program, rest, { timeout: installMsMax, env: environment });
  };
  const install = ['install', '-y', '--no-install-recommends', 'redis-server'];
  let reason = 'it is still not found afterwards';
  try {
    // The list of packages may be older than the packages: it is fetched where the first attempt fails.
    await apt(...install).catch(async () => {
      await apt('update');
      await apt(...install);
    });
    if (await present()) return;
  } catch (error) {
    reason = error instanceof Error ? error.message : String(error);
  }
  throw new Error(
    `The tests need redis-server (6.2 or newer) and redis-cli, and they cannot be installed here: ${reason}\n` +
      'Install them (Debian: apt-get install redis-server; macOS: brew install redis), or set KEYGATE_REDIS_SERVER to the path of a redis-server.',
  );
}

async function present(): Promise<boolean> {
  const programs = [process.env['KEYGATE_REDIS_SERVER'] ?? 'redis-server', 'redis-cli'];
  const found = await Promise.allSettled(programs.map((program) => run(program, ['--version'])));
  return found.every(({ status }) => status === 'fulfilled');
}
