import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from './ports.ts';

const run = promisify(execFile);
const readyMsMax = 20_000;
const cliMsMax = 20_000;
const portTriesMax = 5;
const untilMsMax = 30_000;
const lookAgainMs = 20;

export interface TestRedis {
  readonly url: string;
  readonly port: number;
  /** Of the running server: another one after restart(). */
  readonly pid: number;
  readonly folder: string;
  /** SIGKILL, as if the machine had lost power but not its disk. Resolves when the process is gone. */
  kill(): Promise<void>;
  /** Kills what still runs and starts again on the same port with the same files. */
  restart(): Promise<void>;
  /** SIGSTOP: the server answers nothing and keeps its connections. */
  pause(): void;
  resume(): void;
  /** What redis-cli prints for the command, without the last line break. */
  cli(...args: string[]): Promise<string>;
  /** What the server wrote to its log since it was started last. */
  log(): string;
  /** Kills the server and removes its folder. */
  stop(): Promise<void>;
}

export interface RedisOptions {
  /** Default `no`. The other two switch the append-only file on, with that policy. */
  readonly appendonly?: 'no' | 'everysec' | 'always';
  /** More arguments for redis-server, such as `--maxmemory 3mb`. The last of two that contradict each other counts. */
  readonly args?: readonly string[];
  readonly port?: number;
  /** Default: a new folder. It is removed by stop() in either case. */
  readonly folder?: string;
}

/**
 * Starts a redis-server of its own on 127.0.0.1. It dies with this process, however that ends.
 * `KEYGATE_REDIS_SERVER` names another program than `redis-server`.
 */
export async function startRedis(options: RedisOptions = {}): Promise<TestRedis> {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'keygate-redis-')));
  const { child: first, port } = await startOnFreePort(folder, options);
  let child = first;
  const kill = async () => {
    if (child.server.exitCode !== null || child.server.signalCode !== null) return;
    const gone = once(child.server, 'exit');
    child.server.kill('SIGKILL');
    await gone;
  };
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    get pid() {
      return child.server.pid ?? 0;
    },
    folder,
    kill,
    restart: async () => {
      await kill();
      child = await spawnServer(serverArguments({ ...options, port, folder }));
    },
    pause: () => void child.server.kill('SIGSTOP'),
    resume: () => void child.server.kill('SIGCONT'),
    cli: (...args) => redisCli(port, ...args),
    log: () => child.log(),
    stop: async () => {
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** What redis-cli prints. @throws Error where the server answers with an error or does not answer */
export async function redisCli(port: number, ...args: string[]): Promise<string> {
  const { stdout } = await run('redis-cli', ['-h', '127.0.0.1', '-p', String(port), '-e', ...args], { timeout: cliMsMax });
  return stdout.trimEnd();
}

/** Another program may take a free port before the server does: then another port is tried. */
async function startOnFreePort(folder: string, options: RedisOptions): Promise<{ child: RunningServer; port: number }> {
  for (let left = portTriesMax; ; left -= 1) {
    const port = options.port ?? (await freePort());
    try {
      return { child: await spawnServer(serverArguments({ ...options, port, folder })), port };
    } catch (error) {
      if (options.port !== undefined || left <= 1 || !/in use/i.test(String(error))) throw error;
    }
  }
}

function serverArguments({ appendonly = 'no', args = [], port, folder }: RedisOptions & { port: number; folder: string }): string[] {
  const durability = appendonly === 'no' ? ['--appendonly', 'no'] : ['--appendonly', 'yes', '--appendfsync', appendonly];
  const fixed = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--maxmemory-policy', 'noeviction'];
  return [...fixed, ...durability, ...args];
}

interface RunningServer {
  readonly server: ChildProcess;
  log(): string;
}

/** Resolves when the server says that it is ready, which is after it has loaded its files. */
export async function spawnServer(args: readonly string[], ready = /Ready to accept connections/): Promise<RunningServer> {
  const program = process.env['KEYGATE_REDIS_SERVER'] ?? 'redis-server';
  const server = spawn(program, [...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  const started = Promise.withResolvers<void>();
  const read = (chunk: string) => {
    log = (log + chunk).slice(-100_000);
    if (ready.test(log)) started.resolve();
  };
  server.stdout.setEncoding('utf8').on('data', read);
  server.stderr.setEncoding('utf8').on('data', read);
  server.once('error', (error) => started.reject(new Error(`${program} cannot be started: ${error.message}`)));
  server.once('close', (code, signal) => started.reject(new Error(`${program} ended (${signal ?? code}).\n${log}`)));
  const late = setTimeout(() => started.reject(new Error(`${program} was not ready after ${readyMsMax} ms.\n${log}`)), readyMsMax);
  bindToThisProcess(server);
  try {
    await started.promise;
  } catch (error) {
    server.kill('SIGKILL');
    throw error;
  } finally {
    clearTimeout(late);
  }
  return { server, log: () => log };
}

/** The server is killed when this process exits, and by a watcher at the other end of a pipe when this process is killed itself. */
function bindToThisProcess(server: ChildProcess): void {
  if (server.pid === undefined) return;
  // Signals for the whole group leave the watcher at its post: a redis-server ignores a hang-up that would end the watcher.
  const watch = `trap '' HUP INT TERM; read -r line || kill -9 "$0"`;
  const watcher = spawn('sh', ['-c', watch, String(server.pid)], { stdio: ['pipe', 'ignore', 'ignore'] });
  watcher.stdin.on('error', () => undefined);
  const killServer = () => void server.kill('SIGKILL');
  process.once('exit', killServer);
  // The id may belong to another process later: the watcher reads a line and leaves.
  server.once('exit', () => {
    process.off('exit', killServer);
    watcher.stdin.end('gone\n');
  });
}

/** For what a server does by itself and does not announce. */
export async function until(reached: () => Promise<boolean>, what: string): Promise<void> {
  const end = Date.now() + untilMsMax;
  while (!(await reached())) {
    if (Date.now() > end) throw new Error(`It took longer than ${untilMsMax} ms until ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, lookAgainMs));
  }
}
