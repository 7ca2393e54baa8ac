import type { Command } from 'commander';
import { mint } from '../../authority/mint.ts';
import { nameOf } from '../../config/import-client.ts';
import type { Config } from '../../config/schema.ts';
import { backupOf, putBack, readIfThere, replaceKept } from './client/kept-file.ts';
import { lineDiff } from './client/line-diff.ts';
import { type ClientFile, type ClientServer, readClientFile } from './client/read-client-file.ts';
import { leadsTo, masked, type Wrapped, type WrapTerms, wrappedAlready, wrapServers } from './client/wrap-servers.ts';
import { CommandFailure, configFailure } from './failure.ts';
import { plain } from './print.ts';
import { pathOf, type Registrar, type Shell, withAuthority } from './shell.ts';

interface WrapOptions {
  readonly yes?: boolean;
  readonly undo?: boolean;
  readonly mint?: boolean;
  readonly scope?: string[];
}

export function addWrap(program: Command, registrar: Registrar): void {
  program
    .command('wrap')
    .description("point the MCP servers of a client's configuration at keygate; shows what would change, unless --yes")
    .argument('<file>', "the client's file: Claude, Cursor, Windsurf, Gemini or VS Code")
    .option('--yes', 'write it, and keep the file as it was beside it')
    .option('--undo', 'put the file back, byte for byte, as it was before the first wrap')
    .option('--mint', 'mint one key for these upstreams and write it into the file, which then only its owner may read')
    .option('--scope <scope...>', 'what the minted key may do (default: read:<upstream> of each)')
    .action(
      registrar.run(async (shell, file: string, options: WrapOptions) => {
        const path = pathOf(shell, file);
        if (options.undo) {
          const undone = await putBack(path);
          await shell.print({ file: path, undone }, `restored ${plain(path)}\n`);
          return 0;
        }
        const text = await readIfThere(path);
        if (text === undefined) throw new CommandFailure('NOT_FOUND', `there is no ${file}`);
        return runWrap(shell, path, readClientFile(text), options);
      }),
    );
}

async function runWrap(shell: Shell, path: string, client: ClientFile, options: WrapOptions): Promise<number> {
  const loaded = await shell.deps.readConfig({ configFile: shell.configFile });
  if (!loaded.ok) throw configFailure(shell.configFile, loaded.problems, shell.deps.cwd);
  const terms = { ...termsOf(loaded.config), key: keyReference(path, client) };
  const wrapped = wrapServers(client, terms);
  const changing = wrapped.servers.filter(({ skipped }) => skipped === undefined);
  const write = options.yes === true && changing.length > 0;
  if (write) await writeWrapped(shell, path, client, { terms, changing, options });
  // Shown with a reference, also where a key was minted: no secret is ever printed.
  const own = [terms.key, `Bearer ${terms.key}`, ...wrapped.servers.flatMap(({ url }) => (url === undefined ? [] : [url, 'connect']))];
  const diff = lineDiff(masked(client, own), masked(readClientFile(wrapped.text), own));
  await shell.print(
    { file: path, written: write, minted: write && options.mint === true, servers: wrapped.servers },
    wrapText(path, wrapped.servers, { diff, write, options, key: terms.key }),
  );
  return wrapped.servers.length > 0 && wrapped.servers.every(({ skipped }) => skipped !== undefined && skipped !== wrappedAlready) ? 1 : 0;
}

/** An upstream stands for a server of its name, or for one at its URL. */
function termsOf(config: Config): Omit<WrapTerms, 'key'> {
  const upstreams = Object.values(config.upstreams);
  const endpointOf = (upstream: string) => `${config.publicUrl}/mcp/${upstream}`;
  return {
    endpointOf,
    upstreamOf(server: ClientServer) {
      const leads = leadsTo(server);
      const known = upstreams.find(({ name, url }) => leads !== undefined && (leads === url || leads === endpointOf(name)));
      return (known ?? upstreams.find(({ name }) => name === nameOf(server.name)))?.name;
    },
  };
}

/** How the client takes a variable from the environment: VS Code, Cursor and Windsurf say env:, Claude Code and Gemini do not. */
function keyReference(path: string, { path: place, servers }: ClientFile): string {
  const says =
    place.at(-1) === 'servers' || /[\\/](?:\.cursor|\.codeium)[\\/]/.test(path) || servers.some(({ members }) => 'serverUrl' in members);
  return says ? `\${env:AGENT_API_KEY}` : `\${AGENT_API_KEY}`;
}

async function writeWrapped(
  shell: Shell,
  path: string,
  client: ClientFile,
  { terms, changing, options }: { terms: WrapTerms; changing: readonly Wrapped[]; options: WrapOptions },
): Promise<void> {
  if (!options.mint) return replaceKept(path, wrapServers(client, terms).text);
  const upstreams = [...new Set(changing.flatMap(({ upstream }) => (upstream === undefined ? [] : [upstream])))];
  const scopes = options.scope ?? upstreams.map((upstream) => `read:${upstream}`);
  const { key } = await withAuthority(shell, (authority) => mint(authority, { name: 'wrapped client', scopes, upstreams }, { via: 'cli' }));
  await replaceKept(path, wrapServers(client, { ...terms, key }).text, { mode: 0o600 });
}

function wrapText(
  path: string,
  servers: readonly Wrapped[],
  { diff, write, options, key }: { diff: string; write: boolean; options: WrapOptions; key: string },
): string {
  const lines = servers.map(({ server, url, skipped }) => (skipped === undefined ? `${server}: leads to ${url}` : `${server}: ${skipped}`));
  const how = options.mint
    ? 'the minted key stands in the file'
    : `the client finds the key as ${key}: set AGENT_API_KEY where it is started`;
  const end = write
    ? [`wrote ${path}; as it was: ${backupOf(path)}`, how]
    : [diff === '' ? 'nothing to do' : 'nothing was written: run again with --yes'];
  return `${[...lines, ...diff.split('\n').slice(0, -1), ...end].map(plain).join('\n')}\n`;
}
