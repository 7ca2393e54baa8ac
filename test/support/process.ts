import { spawn } from 'node:child_process';

export interface StartedProcess {
  readonly pid: number;
  /** Everything written so far. */
  stdout(): string;
  stderr(): string;
  /** The first match of the pattern in stdout or stderr, now or later; rejects when the process ends without it. */
  printed(pattern: RegExp): Promise<RegExpMatchArray>;
  /** Signals this process alone, by its id. Nothing happens when it has ended. Default SIGTERM. */
  kill(signal?: NodeJS.Signals): void;
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

/**
 * Starts a program and waits until `ready` appears in what it prints. `env` is added to this process's environment; a value of
 * `undefined` removes a variable. Rejects, with the output, when the program ends first or needs more than `readyMsMax` (15,000);
 * in the second case it is killed. A program still running when this process exits is killed too.
 */
export async function startProcess(
  command: string,
  args: readonly string[],
  options: { env?: Record<string, string | undefined>; cwd?: string; ready: RegExp; readyMsMax?: number },
): Promise<StartedProcess> {
  const child = spawn(command, [...args], {
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  const output = { stdout: '', stderr: '' };
  const waiting = new Set<() => void>();
  const received = (stream: 'stdout' | 'stderr') => (chunk: string) => {
    output[stream] += chunk;
    for (const look of waiting) look();
  };
  child.stdout.setEncoding('utf8').on('data', received('stdout'));
  child.stderr.setEncoding('utf8').on('data', received('stderr'));

  const killWithParent = () => child.kill('SIGKILL');
  process.once('exit', killWithParent);
  // `close` comes after `exit`, when all output was read, and also after a failed spawn.
  const ended = Promise.withResolvers<{ code: number | null; signal: NodeJS.Signals | null }>();
  let spawnProblem: Error | undefined;
  child.once('error', (problem) => {
    spawnProblem = problem;
  });
  child.once('close', (code, signal) => {
    process.off('exit', killWithParent);
    ended.resolve({ code, signal });
  });

  const printed = async (pattern: RegExp): Promise<RegExpMatchArray> => {
    const found = Promise.withResolvers<RegExpMatchArray>();
    const look = () => {
      const match = output.stdout.match(pattern) ?? output.stderr.match(pattern);
      if (match !== null) found.resolve(match);
    };
    waiting.add(look);
    look();
    const neverPrinted = ended.promise.then(({ code, signal }) => {
      const why = spawnProblem?.message ?? `code ${code}, signal ${signal}`;
      throw new Error(`${command} ended (${why}) before it printed ${pattern}.\n${output.stdout}\n${output.stderr}`);
    });
    try {
      return await Promise.race([found.promise, neverPrinted]);
    } finally {
      waiting.delete(look);
    }
  };

  const readyMsMax = options.readyMsMax ?? 60_000;
  const late = setTimeout(() => {
    spawnProblem = new Error(`not ready after ${readyMsMax} ms`);
    child.kill('SIGKILL');
  }, readyMsMax);
  try {
    await printed(options.ready);
  } finally {
    clearTimeout(late);
  }
  if (child.pid === undefined) throw new Error(`${command} has no process id.`);

  return {
    pid: child.pid,
    stdout: () => output.stdout,
    stderr: () => output.stderr,
    printed,
    kill: (signal = 'SIGTERM') => void child.kill(signal),
    exited: ended.promise,
  };
}
