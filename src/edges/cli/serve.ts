import { type Command, Option } from 'commander';
import { wholeNumber } from './parse-options.ts';
import type { Registrar } from './shell.ts';

export function addServe(program: Command, registrar: Registrar): void {
  program
    .command('serve')
    .description('serve MCP and the admin listener until told to stop')
    .addOption(
      new Option('--workers <number>', 'processes on this machine; 0 = one for each core').argParser(wholeNumber({ min: 0, max: 1024 })),
    )
    .action(
      registrar.run(async (shell, { workers }: { workers?: number }) => {
        return await shell.deps.serve({ configFile: shell.configFile, ...(workers !== undefined && { workers }) });
      }),
    );
  program
    .command('demo')
    .description('try keygate at once: a gateway, upstreams and keys of its own')
    .action(registrar.run(async (shell) => await shell.deps.demo({ configFile: shell.configFile, json: shell.json })));
}
