import { type Command, Option } from 'commander';
import type { Authority } from '../../authority/authority.ts';
import { pageRowsMax } from '../../authority/list.ts';
import type { ToolDetail, ToolView } from '../../authority/tool-view.ts';
import { approveTool, listTools, quarantineTool, showTool } from '../../authority/tools.ts';
import { CommandFailure } from './failure.ts';
import { wholeNumber } from './parse-options.ts';
import { pairs, plain, table } from './print.ts';
import { type Registrar, withAuthority } from './shell.ts';

const by = { via: 'cli' } as const;

export function addTools(program: Command, registrar: Registrar): void {
  const tools = program.command('tools').description("upstreams' tools as they were pinned, and what changed about them");
  addList(tools, registrar);
  addDiff(tools, registrar);
  addApprove(tools, registrar);
  named(tools.command('quarantine').description('hide and refuse a tool until it is approved'))
    .requiredOption('--reason <text>', 'why, for the journal')
    .action(
      registrar.run(async (shell, options: Named & { reason: string }) => {
        const held = await withAuthority(shell, async (authority) => await quarantineTool(authority, { ...options, by }));
        await shell.print(held, toolText(held));
        return 0;
      }),
    );
}

interface Named {
  readonly upstream: string;
  readonly tool: string;
}

function named(command: Command): Command {
  return command.requiredOption('--upstream <name>', 'the upstream').requiredOption('--tool <name>', 'the tool');
}

interface ListOptions {
  readonly upstream?: string;
  readonly state?: ToolView['state'];
  readonly limit: number;
  readonly cursor?: string;
}

function addList(tools: Command, registrar: Registrar): void {
  tools
    .command('list')
    .description('list the tools that were seen')
    .option('--upstream <name>', 'only those of this upstream')
    .addOption(new Option('--state <state>', 'only those in this state').choices(['pinned', 'quarantined', 'pending']))
    .addOption(new Option('--limit <number>', 'tools on the page').argParser(wholeNumber({ min: 1, max: pageRowsMax })).default(50))
    .option('--cursor <cursor>', 'continue a list after its last page')
    .action(
      registrar.run(async (shell, { limit, cursor, ...filter }: ListOptions) => {
        const page = await withAuthority(shell, async (authority) => await listTools(authority, { filter, limit, cursor }));
        await shell.print(page, listText(page.data, page.nextCursor));
        return 0;
      }),
    );
}

function addDiff(tools: Command, registrar: Registrar): void {
  tools
    .command('diff')
    .description('show what changed about a tool and the definition to approve; without a tool, of every one that is held back or changed')
    .option('--upstream <name>', 'the upstream')
    .option('--tool <name>', 'the tool')
    .action(
      registrar.run(async (shell, { upstream, tool }: Partial<Named>) => {
        const shown = await withAuthority(shell, async (authority) => {
          if (tool !== undefined) return [await showTool(authority, requireUpstream(upstream), tool)];
          const changed = (await everyTool(authority, upstream)).filter(({ state, changed }) => state !== 'pinned' || changed.length > 0);
          return await Promise.all(changed.map((view) => showTool(authority, view.upstream, view.tool)));
        });
        const text = shown.length === 0 ? 'no tool is held back or changed\n' : shown.map(detailText).join('\n');
        await shell.print(tool === undefined ? { data: shown } : shown[0], text);
        return 0;
      }),
    );
}

interface ApproveOptions {
  readonly upstream?: string;
  readonly tool?: string;
  readonly definition?: string;
  readonly all?: boolean;
}

function addApprove(tools: Command, registrar: Registrar): void {
  tools
    .command('approve')
    .description('pin a tool as it was listed last, and let it pass')
    .option('--upstream <name>', 'the upstream')
    .option('--tool <name>', 'the tool')
    .option('--definition <hash>', 'what tools diff showed; nothing is approved where the upstream lists something else by now')
    .option('--all', 'every tool that is held back and can be approved')
    .action(
      registrar.run(async (shell, { upstream, tool, definition, all = false }: ApproveOptions) => {
        if ((tool === undefined) === !all) throw new CommandFailure('USAGE', 'name --tool, or --all and no tool', { exitCode: 2 });
        if (all && definition !== undefined) throw new CommandFailure('USAGE', '--definition is of one tool', { exitCode: 2 });
        const done = await withAuthority(shell, async (authority) => {
          if (tool === undefined) return await approveAll(authority, upstream);
          const of = requireUpstream(upstream);
          const reviewed = definition ?? (await showTool(authority, of, tool)).definition;
          return [await approveTool(authority, { upstream: of, tool, definition: reviewed, by })];
        });
        await shell.print(all ? { data: done } : done[0], all ? listText(done, null) : done.map(toolText).join(''));
        return 0;
      }),
    );
}

function requireUpstream(upstream: string | undefined): string {
  if (upstream === undefined) throw new CommandFailure('USAGE', '--tool needs --upstream', { exitCode: 2 });
  return upstream;
}

/** What cannot be approved as it is listed is left as it is. */
async function approveAll(authority: Authority, upstream: string | undefined): Promise<ToolView[]> {
  const approvable = new Set(['changed', 'restless', 'manual', 'unapproved']);
  const done: ToolView[] = [];
  for (const { upstream: of, tool, definition, cause } of await everyTool(authority, upstream)) {
    if (cause !== null && approvable.has(cause)) done.push(await approveTool(authority, { upstream: of, tool, definition, by }));
  }
  return done;
}

async function everyTool(authority: Authority, upstream: string | undefined): Promise<ToolView[]> {
  const all: ToolView[] = [];
  for (let cursor: string | undefined; ; ) {
    const { data, nextCursor } = await listTools(authority, { filter: { upstream }, limit: pageRowsMax, cursor });
    all.push(...data);
    if (nextCursor === null) return all;
    cursor = nextCursor;
  }
}

function listText(tools: readonly ToolView[], nextCursor: string | null): string {
  if (tools.length === 0) return 'no tools\n';
  const rows = tools.map(({ upstream, tool, state, cause, changed, changedAt }) => [
    ...[upstream, tool, state, cause ?? '', changed.join(' '), changedAt.slice(0, 16)],
  ]);
  const more = nextCursor === null ? '' : `more: --cursor ${nextCursor}\n`;
  return table(['UPSTREAM', 'TOOL', 'STATE', 'CAUSE', 'CHANGED', 'SINCE'], rows) + more;
}

function toolText({ upstream, tool, state, cause, changed, definition, pinnedDefinition, approvedAt, approvedBy }: ToolView): string {
  return pairs([
    ['upstream', upstream],
    ['tool', tool],
    ['state', state],
    ['cause', cause],
    ['changed', changed.join(' ')],
    ['definition', definition],
    ['pinned', pinnedDefinition === definition ? null : pinnedDefinition],
    ['approved', approvedAt === null ? null : `${approvedAt} by ${approvedBy}`],
  ]);
}

function detailText(shown: ToolDetail): string {
  return `${toolText(shown)}\n${changesText(shown)}`;
}

function changesText({ diff, pinned, listed }: ToolDetail): string {
  if (diff === null) {
    if (pinned === null && listed !== null) return `nothing is pinned; listed is\n  ${plain(listed)}\n`;
    return 'the definitions are too long to be kept; only their hashes are known\n';
  }
  if (diff.changes.length === 0) return 'it is listed as it is pinned\n';
  const lines = diff.changes.flatMap(({ path, part, before, after }) => [
    `${plain(path)} (${part})`,
    ...(before === undefined ? [] : [`  - ${plain(before)}`]),
    ...(after === undefined ? [] : [`  + ${plain(after)}`]),
  ]);
  return `${[...lines, ...(diff.more ? ['… and more'] : [])].join('\n')}\n`;
}
