import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import type { Command } from '../../../domain/target.ts';

/** What a child that ended gets to have its last words read, in milliseconds; something that it left behind may hold its pipes open. */
const lastWordsMs = 200;

/** A program in a process group of its own, so that what it starts ends with it. */
export interface StartedChild {
  /** Undefined where it could not be started. */
  readonly pid: number | undefined;
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Resolves with how it ended, once nothing of its group is left and its output was read. Never rejects. */
  readonly ended: Promise<string>;
  /** Ends it: its input is closed, then SIGTERM, then SIGKILL, each after the grace. Resolves as `ended` does. */
  stop(graceMs: number): Promise<string>;
  /** SIGKILL to the whole group, now. */
  kill(): void;
}

/**
 * Starts a command, without a shell. With `killWithGateway` the kernel kills the child when this process is gone, even by SIGKILL: PR_SET_PDEATHSIG, set by
 * setpriv of util-linux, of Linux alone, and not inherited by what the child starts. Without it, such a child sees the end of its input.
 */
export function startChild(
  { file, args, cwd }: Command,
  { env, killWithGateway }: { env: Record<string, string>; killWithGateway: boolean },
): StartedChild {
  const [program, given] = killWithGateway ? ['setpriv', ['--pdeathsig', 'KILL', '--', file, ...args]] : [file, [...args]];
  const child: ChildProcessByStdio<Writable, Readable, Readable> = spawn(program, given, {
    cwd,
    env,
    stdio: ['pipe', 'pipe', 'pipe'],
    shell: false,
    detached: true,
  });
  const { pid, stdin, stdout, stderr } = child;
  const { promise: ended, resolve } = Promise.withResolvers<string>();
  let over = false;
  const signal = (name: NodeJS.Signals): void => {
    if (pid === undefined) return;
    try {
      process.kill(-pid, name);
    } catch {
      // Nobody is left in the group.
    }
  };
  child.once('error', (problem) => {
    if (pid === undefined) resolve(`could not be started: ${(problem as { code?: string }).code ?? problem.name}`);
  });
  child.once('exit', (code, name) => {
    over = true;
    // What it started and left behind goes with it.
    signal('SIGKILL');
    const how = name === null ? `code ${code}` : `${name}`;
    child.once('close', () => resolve(how));
    void wait(lastWordsMs, undefined, { ref: false }).then(() => {
      for (const stream of [stdin, stdout, stderr]) stream.destroy();
      resolve(how);
    });
  });
  // Writing to a child that has ended fails; that it has ended is told elsewhere.
  stdin.on('error', () => undefined);
  stdout.on('error', () => undefined);
  stderr.on('error', () => undefined);

  return {
    pid,
    stdin,
    stdout,
    stderr,
    ended,
    async stop(graceMs) {
      stdin.end();
      for (const name of ['SIGTERM', 'SIGKILL'] as const) {
        if (await within(ended, graceMs)) return ended;
        if (!over) signal(name);
      }
      return ended;
    },
    kill() {
      if (!over) signal('SIGKILL');
    },
  };
}

async function within(ended: Promise<string>, ms: number): Promise<boolean> {
  const late = new AbortController();
  const timer = wait(ms, false, { signal: late.signal }).catch(() => false);
  const inTime = await Promise.race([ended.then(() => true), timer]);
  late.abort();
  return inTime;
}
