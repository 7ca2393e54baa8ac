import type { Command } from 'commander';
import type { ExplainRequest } from '../../authority/explain.ts';
import type { Explanation } from '../../domain/explanation.ts';
import { CommandFailure } from './failure.ts';
import { pairs, table } from './print.ts';
import type { Registrar } from './shell.ts';

interface Options extends Omit<ExplainRequest, 'arguments'> {
  readonly arguments?: string;
}

export function addExplain(program: Command, registrar: Registrar): void {
  program
    .command('explain')
    .description('why a call would be allowed or refused, without making it')
    .option('--key-id <id>', 'the key, by the eight characters after kg_live_ or kg_test_')
    .option('--key <key>', 'the key itself, or an access token')
    .requiredOption('--upstream <name>', 'the upstream, or the path name of an agent or a bot')
    .requiredOption('--tool <name>', 'the tool; with --method, the prompt or URI')
    .option('--method <method>', 'such as prompts/get or resources/read (default: tools/call)')
    .option('--arguments <json>', 'the arguments of the call')
    .option('--address <address>', 'where the call would come from (default: where the key may be used)')
    .action(
      registrar.run(async (shell, { arguments: written, ...asked }: Options) => {
        if ((asked.key === undefined) === (asked.keyId === undefined)) throw usage('Give either --key-id or --key.');
        const args = written === undefined ? {} : { arguments: readArguments(written) };
        const { dryRuns, close } = await shell.deps.openDryRuns({ configFile: shell.configFile });
        try {
          const explained = await dryRuns.explain({ ...asked, ...args });
          await shell.print(explained, explanationText(explained));
          return 0;
        } finally {
          await close();
        }
      }),
    );
}

function readArguments(written: string): object {
  try {
    const value: unknown = JSON.parse(written);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch {
    // Told below, without the parser's words, which quote the text.
  }
  throw usage('--arguments is not a JSON object.');
}

function usage(message: string): CommandFailure {
  return new CommandFailure('USAGE', message, { exitCode: 2 });
}

function explanationText(explained: Explanation & { readonly keyId?: string }): string {
  const { decision, reason, rule, ruleRevision, scopes, price, limits, lift, facts = {} } = explained;
  const answer = pairs([
    ['decision', reason === undefined ? decision : `${decision}: ${reason}`],
    ['key', explained.keyId],
    ['rule', rule === undefined ? null : `${rule} (revision ${ruleRevision})`],
    ['condition', typeof facts.condition === 'string' ? facts.condition : null],
    ['limit', facts.limit === undefined ? null : [facts.limitName, facts.limit].filter((part) => part !== undefined).join(': ')],
    ['scopes held', scopes.held.join(' ')],
    ['scopes needed', scopes.needed.join(' ')],
    ['price', price],
    ['what would lift it', lift],
  ]);
  if (limits.length === 0) return answer;
  const rows = limits.map(({ limitName, limit, spent, held, resetAt }) => [
    limitName,
    ...[limit, spent, held].map(String),
    resetAt ?? 'never',
  ]);
  return `${answer}\n${table(['LIMIT', 'OF', 'SPENT', 'HELD', 'RESETS'], rows)}`;
}
