import type { Command } from 'commander';
import { formatProblem } from '../../config/problems.ts';
import { withoutLogin } from '../../config/redis-url.ts';
import type { Config, UpstreamConfig } from '../../config/schema.ts';
import { pairs, plain } from './print.ts';
import type { Registrar } from './shell.ts';

export function addCheck(program: Command, registrar: Registrar): void {
  program
    .command('check')
    .description('check the configuration: every problem with its place')
    .action(
      registrar.run(async (shell) => {
        const { deps, configFile: file } = shell;
        const loaded = await deps.readConfig({ configFile: file });
        if (!loaded.ok) {
          const lines = loaded.problems.map((problem) => `${plain(formatProblem(file, problem, deps.cwd))}\n`);
          const count = `${lines.length} ${lines.length === 1 ? 'problem' : 'problems'}\n`;
          await shell.print({ ok: false, file, problems: loaded.problems }, lines.join('') + count);
          return 1;
        }
        const { config, warnings } = loaded;
        const lines = warnings.map((warning) => `warning: ${plain(formatProblem(file, warning, deps.cwd))}\n`);
        await shell.print({ ok: true, file, warnings, ...summaryOf(config) }, lines.join('') + summaryText(file, config));
        return 0;
      }),
    );
}

function summaryOf(config: Config) {
  return {
    listen: { mcp: config.listen.mcp, admin: config.listen.admin },
    publicUrl: config.publicUrl,
    workers: config.workers,
    store: placeOf(config.store),
    upstreams: Object.values(config.upstreams).map((upstream) => ({
      name: upstream.name,
      url: upstream.url,
      transport: upstream.transport,
      // Its arguments and variables may be secrets (I5).
      ...(upstream.stdio && { command: upstream.stdio.command.file }),
      environment: upstream.environment,
      rules: rulesOf(upstream),
    })),
  };
}

function summaryText(file: string, config: Config): string {
  const address = ({ host, port }: { host: string; port: number }): string => `${host.includes(':') ? `[${host}]` : host}:${port}`;
  return pairs([
    ['file', file],
    ['mcp', address(config.listen.mcp)],
    ['admin', address(config.listen.admin)],
    ['public url', config.publicUrl],
    ...(config.workers === 1 ? [] : [['workers', String(config.workers)] as [string, string]]),
    ['store', placeOf(config.store)],
    ...Object.values(config.upstreams).map((upstream): [string, string] => {
      const rules = rulesOf(upstream);
      const count = typeof rules === 'number' ? `${rules} ${rules === 1 ? 'rule' : 'rules'}` : rules;
      const place = upstream.stdio ? `started by ${upstream.stdio.command.file}` : upstream.url;
      return [`upstream ${upstream.name}`, `${plain(place)} (${upstream.environment}, ${count})`];
    }),
    ['result', 'no problems'],
  ]);
}

/** A Redis URL may hold a password, which is nobody's to see (I5). */
function placeOf(store: Config['store']): string {
  return store.kind === 'folder' ? store.folder : withoutLogin(store.url);
}

function rulesOf(upstream: UpstreamConfig): number | string {
  if (upstream.tools === 'annotations') return 'tools by their annotations';
  return upstream.tools.length + upstream.resources.length + upstream.prompts.length + upstream.methods.length;
}
