import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Command } from 'commander';
import { configJsonSchema } from '../../config/json-schema.ts';
import { pathOf, type Registrar } from './shell.ts';

export function addSchema(program: Command, registrar: Registrar): void {
  program
    .command('schema')
    .description('the JSON Schema of the configuration')
    .option('--write <file>', 'write it to a file')
    .action(
      registrar.run(async (shell, options: { write?: string }) => {
        const text = `${JSON.stringify(configJsonSchema(), null, 2)}\n`;
        if (options.write === undefined) {
          await shell.deps.out(text);
          return 0;
        }
        const file = pathOf(shell, options.write);
        await mkdir(dirname(file), { recursive: true });
        await writeFile(file, text);
        await shell.print({ file }, `wrote ${file}\n`);
        return 0;
      }),
    );
}
