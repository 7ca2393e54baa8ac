import type { Connection, Script } from './connection.ts';
import { prefixOf } from './layout.ts';

/** Runs one call of a script that takes several, and resolves to its own answer. */
export type RunCall = (partition: string, args: readonly string[]) => Promise<string>;

interface Waiting {
  readonly args: readonly string[];
  readonly resolve: (answer: string) => void;
  readonly reject: (error: unknown) => void;
}

/** A script that takes more keeps everybody else waiting: the server runs one at a time. */
const callsMax = 64;

/**
 * Lets all calls of one turn of the event loop that concern one partition share one run of a script: a run reads a key, a counter or an account
 * once, however many calls need it.
 * @param options.first  the arguments before those of the calls
 */
export function groupCalls({
  connection,
  script,
  first,
}: {
  connection: Connection;
  script: Script;
  first: () => readonly string[];
}): RunCall {
  let waiting = new Map<string, Waiting[]>();
  const runAll = async (partition: string, calls: readonly Waiting[]): Promise<void> => {
    try {
      const args = [...first(), ...calls.flatMap((call) => call.args)];
      const answers = (await connection.run(script, [prefixOf(partition)], args)) as string[];
      for (const [at, call] of calls.entries()) call.resolve(answers[at] ?? '');
    } catch (error) {
      // A script fails as a whole, before it has written anything, where it finds something of one call damaged: the others go by themselves.
      if (calls.length > 1 && isScriptError(error)) for (const call of calls) void runAll(partition, [call]);
      else for (const call of calls) call.reject(error);
    }
  };
  const flush = (): void => {
    const all = waiting;
    // A fresh one, for the reason that TurnoverMap gives.
    waiting = new Map();
    for (const [partition, calls] of all)
      for (let from = 0; from < calls.length; from += callsMax) void runAll(partition, calls.slice(from, from + callsMax));
  };
  return (partition, args) =>
    new Promise((resolve, reject) => {
      if (waiting.size === 0) setImmediate(flush);
      const calls = waiting.get(partition) ?? [];
      calls.push({ args, resolve, reject });
      waiting.set(partition, calls);
    });
}

/**
 * Whether a script failed by what it found. Not where the server takes no writes from anyone (OOM, READONLY, NOREPLICAS, MISCONF), nor where it did not answer.
 */
export function isScriptError(error: unknown): boolean {
  return error instanceof Error && /^(?:ERR|WRONGTYPE) .*user_script:/.test(error.message);
}
