import { open, rename, rm } from 'node:fs/promises';
import type { Command } from 'commander';
import { exportJournal, type JournalExport } from '../../authority/export-journal.ts';
import { pathOf, type Registrar, withAuthority } from './shell.ts';

/** Text gathered before it is written: one write per record would dominate a long export. */
const writeChars = 256 * 1024;

export function addJournalExport(journal: Command, registrar: Registrar): void {
  journal
    .command('export')
    .description('write the journal as JSON lines: the exact records, then the checkpoints signed over them')
    .option('-o, --output <file>', 'a file (default: standard output)')
    .action(
      registrar.run(async (shell, options: { output?: string }) => {
        await withAuthority(shell, async (authority) => {
          const exported = await exportJournal(authority);
          if (options.output === undefined) {
            await inBlocks(shell.json ? documentOf(exported) : linesOf(exported), async (text) => await shell.deps.out(text));
            return;
          }
          const file = pathOf(shell, options.output);
          const written = await writeFileWhole(file, exported);
          await shell.print({ file, ...written }, `wrote ${written.records} records and ${written.checkpoints} checkpoints to ${file}\n`);
        });
        return 0;
      }),
    );
}

async function* linesOf(exported: JournalExport): AsyncGenerator<string> {
  for await (const line of exported.lines) yield `${line.text}\n`;
  for (const checkpoint of exported.checkpoints) yield `${JSON.stringify({ checkpoint })}\n`;
}

/** The same as one JSON document. Records keep their exact text inside it. */
async function* documentOf(exported: JournalExport): AsyncGenerator<string> {
  let separator = '{"data":[\n';
  for await (const line of exported.lines) {
    yield `${separator}${line.text}`;
    separator = ',\n';
  }
  if (separator !== ',\n') yield separator;
  yield `\n],"checkpoints":${JSON.stringify(exported.checkpoints)}}\n`;
}

/** Writes beside the file and renames, so that a file of this name is always a whole export. Readable by its owner alone. */
async function writeFileWhole(file: string, exported: JournalExport): Promise<{ records: number; checkpoints: number }> {
  const partial = `${file}.partial`;
  let records = 0;
  async function* counted(): AsyncGenerator<string> {
    for await (const text of linesOf(exported)) {
      records += 1;
      yield text;
    }
  }
  await rm(partial, { force: true });
  const handle = await open(partial, 'wx', 0o600);
  try {
    await inBlocks(counted(), async (text) => {
      await handle.writeFile(text);
    });
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(partial, file);
  return { records: records - exported.checkpoints.length, checkpoints: exported.checkpoints.length };
}

async function inBlocks(texts: AsyncIterable<string>, write: (text: string) => void | Promise<void>): Promise<void> {
  let block = '';
  for await (const text of texts) {
    block += text;
    if (block.length < writeChars) continue;
    await write(block);
    block = '';
  }
  if (block !== '') await write(block);
}
