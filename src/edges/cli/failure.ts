import { CommanderError } from 'commander';
import { Conflict, NotFound, type RequestProblem, RequestProblems } from '../../authority/problems.ts';
import { BadSigningKeys } from '../../authority/signing.ts';
import { formatProblem, type Problem } from '../../config/problems.ts';
import type { CliDeps } from './deps.ts';
import { jsonText, plain } from './print.ts';

/** A failure that a command expects: it is told in words, without a stack. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure';
  /** Machine-readable, upper case. */
  readonly code: string;
  /** 1 refused or failed, 2 usage. */
  readonly exitCode: 1 | 2;
  /** Lines that say what is wrong, each whole in itself. */
  readonly lines: readonly string[];

  constructor(code: string, message: string, options: { exitCode?: 1 | 2; lines?: readonly string[]; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.code = code;
    this.exitCode = options.exitCode ?? 1;
    this.lines = options.lines ?? [];
  }
}

/** A command or option of the documented interface that this build does not have. */
export function notInThisBuild(what: string): CommandFailure {
  return new CommandFailure('NOT_IN_THIS_BUILD', `${what} is not in this build`, { exitCode: 2 });
}

/** A configuration that cannot be used, every problem with its place. */
export function configFailure(file: string, problems: readonly Problem[], cwd: string): CommandFailure {
  return new CommandFailure('CONFIG_INVALID', 'the configuration cannot be used', {
    lines: problems.map((problem) => formatProblem(file, problem, cwd)),
  });
}

interface Told {
  readonly exitCode: number;
  readonly code: string;
  readonly message: string;
  readonly lines: readonly string[];
  readonly problems?: readonly RequestProblem[];
}

/** Tells on standard error what went wrong, in words or as one JSON document, and returns the exit code. */
export function tellFailure(deps: Pick<CliDeps, 'err' | 'env'>, failure: unknown, json: boolean): number {
  const told = describe(failure, Boolean(deps.env.KEYGATE_DEBUG));
  if (told.exitCode === 0) return 0;
  if (json) {
    const details = told.problems ?? (told.lines.length > 0 ? told.lines.map((message) => ({ message })) : undefined);
    deps.err(
      `${jsonText({ error: { code: told.code, message: told.message, ...(details === undefined ? {} : { problems: details }) } })}\n`,
    );
  } else if (told.message !== '') deps.err(`${[`keygate: ${plain(told.message)}`, ...told.lines.map(plain)].join('\n')}\n`);
  return told.exitCode;
}

function describe(failure: unknown, debug: boolean): Told {
  if (failure instanceof CommanderError) return describeUsage(failure);
  if (failure instanceof CommandFailure) return failure;
  if (failure instanceof RequestProblems) {
    const { problems } = failure;
    const lines = problems.map(({ path, message }) => (path === '' ? `  ${message}` : `  ${path}: ${message}`));
    return { exitCode: 1, code: 'INVALID_REQUEST', message: 'refused', lines, problems };
  }
  const known = failure instanceof NotFound ? 'NOT_FOUND' : failure instanceof Conflict ? 'CONFLICT' : undefined;
  if (known !== undefined) return { exitCode: 1, code: known, message: (failure as Error).message, lines: [] };
  if (failure instanceof BadSigningKeys) return { exitCode: 1, code: 'SIGNING_KEYS_INVALID', message: failure.message, lines: [] };
  return describeFault(failure, debug);
}

function describeUsage(error: CommanderError): Told {
  if (error.exitCode === 0) return { exitCode: 0, code: '', message: '', lines: [] };
  // Commander has printed the help itself where no command was named.
  const message = error.code === 'commander.help' ? '' : error.message.replace(/^error: /, '').trim();
  return { exitCode: 2, code: 'USAGE', message, lines: [] };
}

/** One line for the operator; the stack, which nobody but a developer wants, on request. */
function describeFault(failure: unknown, debug: boolean): Told {
  const message = failure instanceof Error ? failure.message : String(failure);
  const first = message.split('\n', 1)[0] ?? '';
  const stack = failure instanceof Error ? (failure.stack ?? '').split('\n') : [];
  return {
    exitCode: 1,
    code: 'INTERNAL',
    message: debug ? `failed: ${first}` : `failed: ${first} (set KEYGATE_DEBUG=1 for the stack)`,
    lines: debug ? stack : [],
  };
}
