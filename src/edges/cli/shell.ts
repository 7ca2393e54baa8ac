import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { Authority } from '../../authority/authority.ts';
import type { StepUp } from '../../authority/step-up.ts';
import type { Config } from '../../config/schema.ts';
import type { CliDeps, OpenedStore } from './deps.ts';
import { notInThisBuild } from './failure.ts';
import { jsonText, plain } from './print.ts';

/** One run of one command: what it may use, and the options that every command has. */
export interface Shell {
  readonly deps: CliDeps;
  readonly json: boolean;
  /** Absolute. */
  readonly configFile: string;
  /** Prints the document where --json was given, else the text. */
  print(document: unknown, text: string): void | Promise<void>;
}

/** Registers commands under a program. `run` turns a command's act, which resolves to an exit code, into a commander action. */
export interface Registrar {
  readonly run: <Arguments extends unknown[]>(
    act: (shell: Shell, ...given: Arguments) => Promise<number>,
  ) => (...given: unknown[]) => Promise<void>;
}

export function createRegistrar(deps: CliDeps, ended: (code: number) => void): Registrar {
  return {
    run:
      <Arguments extends unknown[]>(act: (shell: Shell, ...given: Arguments) => Promise<number>) =>
      async (...given) => {
        // Commander calls an action with the arguments, then the command's options, then the command itself.
        const command = given.at(-1) as Command;
        ended(await act(openShell(deps, command), ...(given.slice(0, -1) as Arguments)));
      },
  };
}

/** Opens the authority, works with it and closes it, whatever happens. */
export async function withAuthority<Result>(
  shell: Shell,
  work: (authority: Authority, config: Config, more: { readonly stepUp: StepUp }) => Promise<Result>,
): Promise<Result> {
  const { authority, config, stepUp, close } = await shell.deps.openAuthority({ configFile: shell.configFile });
  try {
    return await work(authority, config, { stepUp });
  } finally {
    await close();
  }
}

/** The same for the store as a whole. */
export async function withStore<Result>(shell: Shell, work: (opened: OpenedStore) => Promise<Result>): Promise<Result> {
  const opened = await shell.deps.openStore({ configFile: shell.configFile });
  try {
    return await work(opened);
  } finally {
    await opened.close();
  }
}

/** Warnings go beside the answer; in a JSON document they are part of it. */
export function tellWarnings({ json, deps }: Shell, warnings: readonly string[]): void {
  if (!json) for (const warning of warnings) deps.err(`warning: ${plain(warning)}\n`);
}

/** Relative paths are relative to the folder the command was started in. */
export function pathOf(shell: Shell, path: string): string {
  return resolve(shell.deps.cwd, path);
}

function openShell(deps: CliDeps, command: Command): Shell {
  const { config, json = false, adminUrl } = command.optsWithGlobals<{ config?: string; json?: boolean; adminUrl?: string }>();
  if (adminUrl !== undefined) throw notInThisBuild('--admin-url');
  return {
    deps,
    json,
    configFile: resolve(deps.cwd, config ?? (deps.env.KEYGATE_CONFIG || 'config/keygate.yaml')),
    print: (document, text) => deps.out(json ? `${jsonText(document)}\n` : text),
  };
}
