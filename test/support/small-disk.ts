import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A file system with little room, which is mounted nowhere that others can see, and goes with the process that made it. */
export interface SmallDisk {
  /** Its root, for this process and those that it starts. */
  readonly folder: string;
  /** Takes all the room that is left. */
  fill(): Promise<void>;
  /** Gives it back. */
  free(): Promise<void>;
  remove(): Promise<void>;
}

/** Linux keeps files of a tmpfs in pages of this size. */
const pageBytes = 4_096;

/**
 * A tmpfs of so many bytes, in a mount namespace of a process that does nothing but wait for the end of this one; its files are reached through that process's root in
 * /proc. Root needs the right to mount, others one of: user namespaces, or sudo without a password.
 * @throws Error saying so where none of it is there
 */
export async function createSmallDisk(bytesMax: number): Promise<SmallDisk> {
  const point = await mkdtemp(join(tmpdir(), 'keygate-disk-'));
  const failures: string[] = [];
  for (const [program, ...args] of waysToMount(bytesMax)) {
    const holder = spawn(program, [...args, point], { stdio: ['pipe', 'pipe', 'pipe'] });
    const said = await firstLine(holder);
    if (/^\d+$/.test(said)) return diskOf({ holder, folder: `/proc/${said}/root${point}`, point });
    failures.push(`${program} ${args.join(' ')}: ${said}`);
  }
  await rm(point, { recursive: true });
  throw new Error(
    `this test needs a small file system: root that may mount, or unprivileged user namespaces, or sudo -n\n${failures.join('\n')}`,
  );
}

function waysToMount(bytesMax: number): (readonly [string, ...string[]])[] {
  const [user, group] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  const mount = `mount -t tmpfs -o size=${bytesMax},mode=700`;
  const stay = 'echo $$; exec cat';
  const own = ['sh', '-c', `${mount} keygate-test "$0" && { ${stay}; }`];
  // Whoever may mount is root there; the process that stays is this user again, or its root could not be looked into.
  const back = `setpriv --reuid ${user} --regid ${group} --clear-groups sh -c '${stay}'`;
  const lent = ['sh', '-c', `${mount},uid=${user},gid=${group} keygate-test "$0" && exec ${back}`];
  const inUserNamespace = ['unshare', '--user', '--map-root-user', '--mount', ...own] as const;
  return user === 0 ? [['unshare', '--mount', ...own], inUserNamespace] : [inUserNamespace, ['sudo', '-n', 'unshare', '--mount', ...lent]];
}

/** Of what it says, whether it stays or ends. */
function firstLine(holder: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    for (const stream of [holder.stdout, holder.stderr]) {
      stream?.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        if (text.includes('\n')) resolve(text.split('\n', 1)[0] ?? '');
      });
    }
    holder.once('error', (error) => resolve(error.message));
    holder.once('close', (code) => resolve(text.trim() || `code ${code}`));
  });
}

function diskOf({ holder, folder, point }: { holder: ChildProcess; folder: string; point: string }): SmallDisk {
  const filler = join(folder, 'filler');
  return {
    folder,
    async fill() {
      const file = await open(filler, 'a');
      try {
        for (;;) await file.write(Buffer.alloc(pageBytes));
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
      } finally {
        await file.close();
      }
    },
    free: () => rm(filler),
    async remove() {
      const gone = once(holder, 'close');
      holder.stdin?.end();
      await gone;
      await rm(point, { recursive: true });
    },
  };
}
