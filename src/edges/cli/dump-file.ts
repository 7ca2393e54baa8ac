import { createReadStream } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { CommandFailure } from './failure.ts';

/** Text gathered before it is written: one write per line would dominate a long export. */
const writeChars = 256 * 1024;
const lineFeed = 10;

/** Writes each line with a line feed, many at a time. Resolves to what the lines' generator returned. */
export async function writeLines<Returned>(
  lines: AsyncGenerator<string, Returned, undefined>,
  write: (text: string) => void | Promise<void>,
): Promise<Returned> {
  let block = '';
  for (;;) {
    const next = await lines.next();
    if (next.done) {
      if (block !== '') await write(block);
      return next.value;
    }
    block += `${next.value}\n`;
    if (block.length < writeChars) continue;
    await write(block);
    block = '';
  }
}

/** Writes beside the file and renames, so that a file of this name is always a whole one. Readable by its owner alone. */
export async function writeWhole<Returned>(file: string, lines: AsyncGenerator<string, Returned, undefined>): Promise<Returned> {
  const partial = `${file}.partial`;
  try {
    await rm(partial, { force: true });
    const handle = await open(partial, 'wx', 0o600);
    let returned: Returned;
    try {
      returned = await writeLines(lines, async (text) => {
        await handle.writeFile(text);
      });
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(partial, file);
    return returned;
  } catch (error) {
    await rm(partial, { force: true }).catch(() => undefined);
    throw nameFile(error, file, 'write');
  }
}

/** The file's lines without their line feeds, which alone end a line. */
export async function* readFileLines(file: string): AsyncGenerator<string> {
  let pending: Buffer[] = [];
  try {
    for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
      let start = 0;
      for (let at = chunk.indexOf(lineFeed); at >= 0; at = chunk.indexOf(lineFeed, start)) {
        yield Buffer.concat([...pending, chunk.subarray(start, at)]).toString('utf8');
        pending = [];
        start = at + 1;
      }
      if (start < chunk.length) pending.push(chunk.subarray(start));
    }
  } catch (error) {
    throw nameFile(error, file, 'read');
  }
  if (pending.length > 0) yield Buffer.concat(pending).toString('utf8');
}

/** A file that the command line names and that cannot be used is the user's to mend, not a fault. */
function nameFile(error: unknown, file: string, act: 'read' | 'write'): unknown {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (typeof code !== 'string' || typeof syscall !== 'string' || error instanceof CommandFailure) return error;
  return new CommandFailure(act === 'read' ? 'FILE_UNREADABLE' : 'FILE_UNWRITABLE', `cannot ${act} ${file} (${code})`, { cause: error });
}
