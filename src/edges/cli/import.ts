import { dirname, extname, isAbsolute, join, relative } from 'node:path';
import type { Command } from 'commander';
import { stringify } from 'yaml';
import { nameOf } from '../../config/import-client.ts';
import { nameFault } from '../../config/name-fault.ts';
import { importServer } from './client/import-server.ts';
import { backupOf, putBack, readIfThere, replaceKept, writeSecret } from './client/kept-file.ts';
import { openConfiguration } from './client/merge-upstreams.ts';
import { type ClientFile, readClientFile, urlMember } from './client/read-client-file.ts';
import { CommandFailure } from './failure.ts';
import { plain } from './print.ts';
import { pathOf, type Registrar, type Shell } from './shell.ts';

interface ImportOptions {
  readonly yes?: boolean;
  readonly undo?: boolean;
}

export function addImport(program: Command, registrar: Registrar): void {
  program
    .command('import')
    .description("take the MCP servers of a client's configuration over as upstreams; shows what would change, unless --yes")
    .argument('[file]', "the client's file: Claude, Cursor, Windsurf, Gemini or VS Code")
    .option('--yes', 'write it')
    .option('--undo', 'put the configuration back as it was before the first import')
    .action(
      registrar.run(async (shell, file: string | undefined, { yes = false, undo = false }: ImportOptions) => {
        if (undo) return undoImport(shell);
        if (file === undefined) throw new CommandFailure('USAGE', "name the client's file", { exitCode: 2 });
        const path = pathOf(shell, file);
        const text = await readIfThere(path);
        if (text === undefined) throw new CommandFailure('NOT_FOUND', `there is no ${file}`);
        return runImport(shell, { client: readClientFile(text), write: yes });
      }),
    );
}

async function undoImport(shell: Shell): Promise<number> {
  const done = await putBack(shell.configFile);
  const text = done === 'removed' ? `removed ${shell.configFile}, which import had made\n` : `restored ${shell.configFile}\n`;
  await shell.print({ file: shell.configFile, undone: done }, `${text}files under ${secretsFolder(shell)} are left where they are\n`);
  return 0;
}

interface Plan {
  readonly added: Record<string, Record<string, unknown>>;
  /** Secrets by the file they go to. */
  readonly secrets: Map<string, string>;
  readonly servers: { readonly server: string; readonly upstream: string; readonly skipped?: string }[];
  readonly notes: string[];
}

async function runImport(shell: Shell, { client, write }: { client: ClientFile; write: boolean }): Promise<number> {
  const before = await readIfThere(shell.configFile);
  const configured = openConfiguration(before, /^\.jsonc?$/i.test(extname(shell.configFile)) ? 'jsonc' : 'yaml');
  const plan = planImport(shell, client, configured.upstreams);
  const names = Object.keys(plan.added);
  const after = names.length === 0 ? (before ?? '') : configured.with(plan.added);
  const written = write && names.length > 0;
  if (written) await writeImport(shell, plan, after);
  const problems = written ? await problemsOf(shell, names) : [];
  const files = [...plan.secrets.keys()];
  await shell.print(
    { file: shell.configFile, written, servers: plan.servers, secretFiles: files, notes: plan.notes, problems },
    importText(shell, plan, { files, written, problems }),
  );
  const refused = plan.servers.length > 0 && plan.servers.every(({ skipped }) => skipped !== undefined && skipped !== there);
  return refused || problems.length > 0 ? 1 : 0;
}

const there = 'is there already';

function planImport(shell: Shell, client: ClientFile, existing: Readonly<Record<string, unknown>>): Plan {
  const plan: Plan = { added: Object.create(null), secrets: new Map(), servers: [], notes: [] };
  for (const server of client.servers) {
    const upstream = nameOf(server.name);
    const skip = (skipped: string) => void plan.servers.push({ server: server.name, upstream, skipped });
    const fault = nameFault(upstream, 'upstream');
    if (fault) skip(`has a name that no upstream can have: ${fault.hint}`);
    else if (Object.hasOwn(existing, upstream))
      skip(isSame(existing[upstream], server.members) ? there : `finds the name ${upstream} taken`);
    else if (upstream in plan.added) skip(`becomes ${upstream}, as another one does`);
    else {
      const fileOf = (label: string) => join(secretsFolder(shell), `${upstream}.${label.toLowerCase().replace(/[^a-z0-9_-]+/g, '-')}`);
      const imported = importServer(server, upstream, (label) => `\${file:${written(shell, fileOf(label))}}`);
      if ('skipped' in imported) {
        skip(imported.skipped);
        continue;
      }
      plan.added[upstream] = imported.entry;
      for (const [label, secret] of imported.secrets) plan.secrets.set(fileOf(label), secret);
      plan.servers.push({ server: server.name, upstream });
      plan.notes.push(...imported.notes);
    }
  }
  return plan;
}

function isSame(existing: unknown, members: Readonly<Record<string, unknown>>): boolean {
  const upstream = existing as { url?: unknown; command?: unknown } | null;
  const place = urlMember(members);
  return place === undefined ? upstream?.command === members.command : upstream?.url === members[place];
}

async function writeImport(shell: Shell, plan: Plan, text: string): Promise<void> {
  for (const [path, secret] of plan.secrets) {
    if (await writeSecret(path, secret)) continue;
    throw new CommandFailure('SECRET_EXISTS', `${path} holds another secret: remove or rename it; nothing was changed`);
  }
  await replaceKept(shell.configFile, text);
}

/** What keygate itself says about the new upstreams. */
async function problemsOf(shell: Shell, names: readonly string[]): Promise<string[]> {
  const loaded = await shell.deps.readConfig({ configFile: shell.configFile });
  if (loaded.ok) return [];
  return loaded.problems
    .filter(({ path }) => names.some((name) => path === `upstreams.${name}` || path.startsWith(`upstreams.${name}.`)))
    .map(({ path, message, hint }) => `${path}: ${message}${hint === undefined ? '' : ` (hint: ${hint})`}`);
}

function importText(
  shell: Shell,
  { added, servers, notes }: Plan,
  { files, written: done, problems }: { files: readonly string[]; written: boolean; problems: readonly string[] },
): string {
  const lines = servers.map(({ server, upstream, skipped }) =>
    skipped === undefined ? `${server}: becomes ${upstream}` : `${server}: ${skipped}`,
  );
  // Only what comes is shown: what is there already may hold anything.
  const entries =
    Object.keys(added).length === 0 ? '' : stringify({ upstreams: added }, { lineWidth: 0 }).replace(/^/gm, '+ ').replace(/\+ $/, '');
  const secrets = files.map((file) => `${done ? 'wrote' : 'would write'} a secret to ${file}`);
  const end = done
    ? [`wrote ${shell.configFile}; as it was: ${backupOf(shell.configFile)}`]
    : [entries === '' ? 'nothing to do' : 'nothing was written: run again with --yes'];
  const all = [...lines, ...entries.split('\n').slice(0, -1), ...secrets, ...notes, ...end, ...problems];
  return `${all.map(plain).join('\n')}\n`;
}

function secretsFolder(shell: Shell): string {
  return join(dirname(shell.configFile), 'secrets');
}

/** Files in a configuration are relative to where keygate is started. */
function written(shell: Shell, path: string): string {
  const inside = relative(shell.deps.cwd, path);
  return inside.startsWith('..') || isAbsolute(inside) ? path : `./${inside}`;
}
