import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Authority } from '../../src/authority/authority.ts';
import { mint } from '../../src/authority/mint.ts';
import { openAuthority } from '../../src/compose-store.ts';
import type { JournalRecord } from '../../src/domain/record.ts';
import { prepareFolder, readJournal } from '../support/gateway.ts';
import { type StartedProcess, startProcess } from '../support/process.ts';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** A folder with a configuration, secrets and a store, and what can be done there from outside. */
export interface Place {
  readonly folder: string;
  readonly configFile: string;
  /** Starts `keygate serve` as a process of its own. */
  serve(options?: ServeOptions): Promise<Served>;
  /** Runs one command of the command line to its end. */
  cli(...args: string[]): Promise<CommandEnd>;
  /** The store opened in this process, as the command line opens it, for as long as `use` runs. */
  open<T>(use: (authority: Authority) => Promise<T> | T): Promise<T>;
  /** Mints a key without a process of its own. */
  mint(request: Record<string, unknown>): Promise<{ key: string; id: string }>;
  /** The journal so far; `kind` narrows. */
  journal(kind?: string): Promise<JournalRecord[]>;
  /** Ends every gateway that still runs here, by its id, and removes the folder. */
  remove(): Promise<void>;
}

/** A gateway that runs as a process of its own and serves. Signals reach the gateway itself, also where it runs under another program. */
export interface Served extends StartedProcess {
  readonly mcpUrl: string;
  readonly adminUrl: string;
}

export interface ServeOptions {
  readonly env?: Record<string, string | undefined>;
  /** A program, with its arguments, that runs the gateway, such as strace. */
  readonly under?: readonly string[];
}

export interface CommandEnd {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const commandMsMax = 20_000;
const exportBytesMax = 64 * 1024 * 1024;

export async function preparePlace(config: Record<string, unknown>): Promise<Place> {
  const { folder, configFile } = await prepareFolder(config);
  const started: StartedProcess[] = [];

  const open: Place['open'] = async (use) => {
    const { authority, close } = await openAuthority({ configFile, env: {}, cwd: folder });
    try {
      return await use(authority);
    } finally {
      await close();
    }
  };
  return {
    folder,
    configFile,
    open,
    async serve({ env = {}, under = [] } = {}) {
      const [program = process.execPath, ...args] = [...under, process.execPath, main, 'serve', '--config', configFile];
      const child = await startProcess(program, args, { env, cwd: folder, ready: /"keygate is serving"/ });
      const pid = under.length === 0 ? child.pid : onlyChildOf(child.pid);
      const kill: StartedProcess['kill'] = (signal = 'SIGTERM') => signalProcess(pid, signal);
      started.push({ ...child, kill });
      return { ...child, pid, kill, ...addressesIn(child.stderr()) };
    },
    cli: (...args) => runCommand([main, ...args, '--config', configFile], folder),
    mint: (request) =>
      open(async (authority) => {
        const { key, record } = await mint(authority, { name: 'test key', ...request }, { via: 'cli' });
        return { key, id: record.id };
      }),
    journal: (kind) => open((authority) => readJournal(authority, kind)),
    async remove() {
      for (const child of started) child.kill('SIGKILL');
      await Promise.all(started.map(({ exited }) => exited));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Polls until `look` finds something: for what another process does without telling. */
export async function eventually<T>(what: string, look: () => T | undefined | Promise<T | undefined>, msMax = 5_000): Promise<T> {
  const deadline = performance.now() + msMax;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error(`${what}: not within ${msMax} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function addressesIn(log: string): { mcpUrl: string; adminUrl: string } {
  const line = log.split('\n').find((each) => each.includes('"keygate is serving"')) ?? '{}';
  const { mcp, admin } = JSON.parse(line) as { mcp?: string; admin?: string };
  if (mcp === undefined || admin === undefined) throw new Error(`the gateway did not say where it listens: ${line}`);
  return { mcpUrl: mcp, adminUrl: admin };
}

function onlyChildOf(pid: number): number {
  const [child = ''] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ');
  if (child === '') throw new Error(`process ${pid} has no child`);
  return Number(child);
}

/** Nothing happens where the process has ended. */
function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

/** The exit code is -1 where a signal ended the command, which it does after `commandMsMax`. */
function runCommand(args: string[], cwd: string): Promise<CommandEnd> {
  const options = { cwd, timeout: commandMsMax, maxBuffer: exportBytesMax };
  return new Promise((resolve) => {
    execFile(process.execPath, args, options, (failure, stdout, stderr) => {
      const code = failure === null ? 0 : typeof failure.code === 'number' ? failure.code : -1;
      resolve({ code, stdout, stderr });
    });
  });
}
