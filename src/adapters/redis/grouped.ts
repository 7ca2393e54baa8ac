import { Turn } from '../../domain/turn.ts';
import { TurnoverMap } from '../../domain/turnover-map.ts';
import type { Connection, Script } from './connection.ts';
import { prefixOf } from './layout.ts';

/**
 * Runs one call of a script that takes several, and resolves to its own answer.
 * @param options.patient  nobody waits for it: it shares the next script of its partition, or has one of its own within milliseconds
 */
export type RunCall = (partition: string, args: readonly string[], options?: { readonly patient?: boolean }) => Promise<string>;

interface Waiting {
  readonly args: readonly string[];
  readonly resolve: (answer: string) => void;
  readonly reject: (error: unknown) => void;
}

/** Calls of one partition that wait for their script. */
interface Gathering {
  readonly partition: string;
  readonly calls: Waiting[];
  /** It goes out at the end of this turn. */
  urgent: boolean;
}

/** A script that takes more keeps everybody else waiting: the server runs one at a time. */
const callsMax = 64;
/** How long a call for which nobody waits may wait for one to share its script with, in milliseconds: as in the embedded store (ADR 0016). */
const patienceMs = 5;

/**
 * Lets all calls of one turn of the event loop that concern one partition share one run of a script, and the patient ones that came before: a run
 * reads a key, a counter or an account once, however many calls need it. It answers with a line for each call.
 * @param options.argumentsOf  what the script is given for such calls
 */
export function groupCalls({
  connection,
  script,
  argumentsOf,
}: {
  connection: Connection;
  script: Script;
  argumentsOf: (calls: readonly (readonly string[])[]) => readonly string[];
}): RunCall {
  const waiting = new TurnoverMap<string, Gathering>();
  const turn = new Turn(setImmediate);
  let patient = false;
  const runAll = async (partition: string, calls: readonly Waiting[]): Promise<void> => {
    try {
      const args = argumentsOf(calls.map((call) => call.args));
      const answers = ((await connection.run(script, [prefixOf(partition)], args)) as string).split('\n');
      for (let at = 0; at < calls.length; at += 1) calls[at]?.resolve(answers[at] ?? '');
    } catch (error) {
      // A script fails as a whole, before it has written anything, where it finds something of one call damaged: the others go by themselves.
      if (calls.length > 1 && isScriptError(error)) for (const call of calls) void runAll(partition, [call]);
      else for (const call of calls) call.reject(error);
    }
  };
  const flush = ({ partition, calls }: Gathering): void => {
    waiting.delete(partition);
    for (let from = 0; from < calls.length; from += callsMax) void runAll(partition, calls.slice(from, from + callsMax));
  };
  const flushPatient = (): void => {
    patient = false;
    for (const gathering of waiting.values()) if (!gathering.urgent) flush(gathering);
  };
  const gatheringOf = (partition: string): Gathering => {
    const known = waiting.get(partition);
    if (known) return known;
    const made: Gathering = { partition, calls: [], urgent: false };
    waiting.set(partition, made);
    return made;
  };
  return (partition, args, options) =>
    new Promise((resolve, reject) => {
      const gathering = gatheringOf(partition);
      gathering.calls.push({ args, resolve, reject });
      if (options?.patient) {
        if (!patient) setTimeout(flushPatient, patienceMs);
        patient = true;
      } else if (!gathering.urgent) {
        gathering.urgent = true;
        turn.add(() => flush(gathering));
      }
    });
}

/**
 * Whether a script failed by what it found. Not where the server takes no writes from anyone (OOM, READONLY, NOREPLICAS, MISCONF), nor where it did not answer.
 */
export function isScriptError(error: unknown): boolean {
  return error instanceof Error && /^(?:ERR|WRONGTYPE) .*user_script:/.test(error.message);
}
