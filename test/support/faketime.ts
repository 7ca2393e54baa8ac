import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';

/** Where Debian puts it, on whatever processor. */
function installed(): string | undefined {
  const root = '/usr/lib';
  const folders = readdirSync(root).map((name) => `${root}/${name}/faketime/libfaketime.so.1`);
  return folders.find((file) => existsSync(file));
}

/**
 * A wall clock that can be set while a program runs: `env` is for the program, `set` moves its clock by so many seconds from the true time. The
 * clock that never goes back is left alone, as a real jump leaves it.
 * @throws Error where libfaketime is missing and cannot be installed (Debian: apt-get install libfaketime)
 */
export function fakeClock(file: string): { env: Record<string, string>; set(seconds: number): void } {
  const library = installed() ?? install();
  const set = (seconds: number): void => writeFileSync(file, `${seconds < 0 ? '' : '+'}${seconds}\n`);
  set(0);
  const env = {
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    DONT_FAKE_MONOTONIC: '1',
  };
  return { env, set };
}

function install(): string {
  const command = ['apt-get', 'install', '--yes', '--no-install-recommends', 'libfaketime'];
  const [program = '', ...args] = process.getuid?.() === 0 ? command : ['sudo', '-n', ...command];
  try {
    execFileSync(program, args, { timeout: 180_000, stdio: 'pipe', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } });
  } catch (cause) {
    throw new Error('this test needs libfaketime, which is not here and could not be installed with apt-get', { cause });
  }
  const library = installed();
  if (library === undefined) throw new Error('libfaketime was installed and is still not found');
  return library;
}
