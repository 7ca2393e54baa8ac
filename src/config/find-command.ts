import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { delimiter, isAbsolute, join, resolve } from 'node:path';
import type { Finding } from './problems.ts';
import type { Config } from './schema.ts';
import { find, type Tree } from './tree.ts';

/** Warns of commands that cannot be started as things are now. Not errors: what is missing may be there by the time it is needed. */
export async function commandWarnings(config: Config, tree: Tree, path: string | undefined): Promise<Finding[]> {
  const warnings: Finding[] = [];
  for (const { name, stdio } of Object.values(config.upstreams)) {
    if (!stdio) continue;
    const { command, children } = stdio;
    const warn = (member: string, message: string, hint: string): void => {
      warnings.push({ ...find(tree, ['upstreams', name, member]).place, message, hint });
    };
    const search = command.env.PATH ?? path ?? '';
    if (!(await isFolder(command.cwd))) warn('cwd', 'is not a folder here', 'its child cannot be started until it is');
    else if (!(await isFound(command.file, { search, cwd: command.cwd })))
      warn('command', 'is not a program that can be started here', 'install it, or write its whole path');
    if (children.killWithGateway && !(await isFound('setpriv', { search, cwd: command.cwd })))
      warn('stdio', 'asks for killWithGateway, and there is no setpriv here', 'install util-linux, or leave it out');
  }
  return warnings;
}

/** As execvp looks: a name with a slash is a path from the child's folder, any other is looked for in PATH. */
async function isFound(file: string, { search, cwd }: { search: string; cwd: string }): Promise<boolean> {
  const places = file.includes('/')
    ? [resolve(cwd, file)]
    : search.split(delimiter).map((folder) => resolve(cwd, join(folder || '.', file)));
  for (const place of places) if (isAbsolute(place) && (await isProgram(place))) return true;
  return false;
}

async function isProgram(place: string): Promise<boolean> {
  try {
    await access(place, constants.X_OK);
    return (await stat(place)).isFile();
  } catch {
    return false;
  }
}

async function isFolder(place: string): Promise<boolean> {
  return stat(place).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
