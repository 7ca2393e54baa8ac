import { Command } from 'commander';
import { addAbsent } from './absent.ts';
import { addAccounts } from './accounts.ts';
import { addCheck } from './check.ts';
import { addConnect } from './connect.ts';
import type { CliDeps } from './deps.ts';
import { addExplain } from './explain.ts';
import { tellFailure } from './failure.ts';
import { addImport } from './import.ts';
import { addInit } from './init.ts';
import { addJournal } from './journal.ts';
import { addKeys } from './keys.ts';
import { addLedger } from './ledger.ts';
import { addRules } from './rules.ts';
import { addSchema } from './schema.ts';
import { addServe } from './serve.ts';
import { createRegistrar } from './shell.ts';
import { addSigningCommands } from './signing.ts';
import { addStore } from './store.ts';
import { addTools } from './tools.ts';
import { addUsage } from './usage.ts';
import { addWrap } from './wrap.ts';

/** How a program reports beyond what its commands print. */
export interface ProgramOptions {
  /** Told the exit code of the command that ran. */
  readonly ended?: (code: number) => void;
  /** True where standard error may carry nothing but the JSON document of an error. */
  readonly quiet?: boolean;
}

/**
 * Runs one command line to its end.
 * @param argv the arguments after the program's name
 * @returns the exit code: 0 done, 1 refused or failed, 2 usage
 */
export async function runCli(deps: CliDeps, argv: readonly string[]): Promise<number> {
  let code = 0;
  const json = argv.includes('--json');
  const program = buildProgram(deps, {
    quiet: json,
    ended: (ended) => {
      code = ended;
    },
  });
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return code;
  } catch (failure) {
    return tellFailure(deps, failure, json);
  }
}

/** The whole command line. Parsing throws what a command throws, and CommanderError where the usage is wrong. */
export function buildProgram(deps: CliDeps, options: ProgramOptions = {}): Command {
  const { ended = () => undefined, quiet = false } = options;
  const program = new Command('keygate')
    .description('The front door for MCP servers: scoped keys, budgets, an audit journal.')
    .version(deps.version)
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => void deps.out(text),
      writeErr: (text) => {
        if (!quiet) deps.err(text);
      },
      // Whoever runs the program tells errors, once and in one form.
      outputError: () => undefined,
    })
    .option('--config <file>', 'configuration file (default: $KEYGATE_CONFIG, else config/keygate.yaml)')
    .option('--json', 'print one JSON document')
    .option('--admin-url <url>', 'a running gateway to work on (not in this build)');

  const registrar = createRegistrar(deps, ended);
  addInit(program, registrar);
  addServe(program, registrar);
  addCheck(program, registrar);
  addKeys(program, registrar);
  addAccounts(program, registrar);
  addUsage(program, registrar);
  addJournal(program, registrar);
  addLedger(program, registrar);
  addStore(program, registrar);
  addExplain(program, registrar);
  addRules(program, registrar);
  addTools(program, registrar);
  addSigningCommands(program, registrar);
  addSchema(program, registrar);
  addConnect(program, registrar);
  addImport(program, registrar);
  addWrap(program, registrar);
  addAbsent(program, registrar);
  return program;
}
