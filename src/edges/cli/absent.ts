import type { Command } from 'commander';
import { notInThisBuild } from './failure.ts';
import type { Registrar } from './shell.ts';

const absentCommands = [['review', 'a checklist of keys to look at']] as const;

/** Documented commands that this build does not have say so, instead of looking like a typing mistake. */
export function addAbsent(program: Command, registrar: Registrar): void {
  for (const [name, description] of absentCommands) addAbsentCommand(program, registrar, { name, title: name, description });
}

function addAbsentCommand(parent: Command, registrar: Registrar, options: { name: string; title: string; description: string }): void {
  parent
    .command(options.name, { hidden: true })
    .description(`${options.description} (not in this build)`)
    .argument('[given...]')
    .allowUnknownOption()
    .allowExcessArguments()
    .action(
      registrar.run(async () => {
        throw notInThisBuild(options.title);
      }),
    );
}
