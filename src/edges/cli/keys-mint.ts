import { type Command, Option } from 'commander';
import { mint, mintAnswer } from '../../authority/mint.ts';
import { type GrantOptions, grantMembers } from './grant-options.ts';
import { newKeyText } from './key-text.ts';
import { budgets, caps, lifetime, metadata, permissions, rate, wholeNumber } from './parse-options.ts';
import { type Registrar, tellWarnings, withAuthority } from './shell.ts';

interface MintOptions extends GrantOptions {
  readonly name: string;
  readonly permission?: Record<string, string[]>;
  readonly env?: string;
  readonly account?: string;
  readonly agent?: string;
  readonly bot?: string;
  readonly kind?: string;
  readonly org?: string;
  readonly parent?: string;
  readonly children: boolean;
}

export function addKeysMint(keys: Command, registrar: Registrar): void {
  keys
    .command('mint')
    .description('make a key; its text is shown once')
    .requiredOption('--name <name>', 'what the key is for, in a few words')
    .option('--scope <scope...>', 'a scope, such as read:wiki')
    .option('--permission <action=resources>', 'scopes by action, such as read=wiki,kb', permissions)
    .option('--upstream <name...>', 'an upstream the key may reach (default: every one)')
    .option('--tool <pattern...>', 'a tool the key may call (default: what rules and scopes admit)')
    .option(
      '--budget <amount/window>',
      'what may be spent, such as 5.00/day, 5.00/day@Europe/Berlin, 5.00/day:tool=get_* or 5.00/day:soft (warns only)',
      budgets,
    )
    .option('--cap <calls/window>', 'calls, such as 100/hour, 100/hour:tool=get_* or 100/hour:soft (warns only)', caps)
    .option('--rate <calls/time>', 'requests of every kind, such as 10/s or 600/m', rate)
    .option('--expires <lifetime>', 'such as 30d, 12h or never', lifetime)
    .addOption(new Option('--env <environment>', 'live (default) or test').choices(['live', 'test']))
    .option('--account <id>', 'the account that pays')
    .option('--agent <id>', 'the agent the key is bound to')
    .option('--bot <id>', 'the bot the key is bound to (kind bot)')
    .addOption(new Option('--kind <kind>', 'agent (default), bot or operator').choices(['agent', 'bot', 'operator']))
    .option('--org <id>', 'the organisation the key belongs to')
    .option('--address <cidr...>', 'where the key may be used from')
    .addOption(
      new Option('--max-uses <number>', 'calls in the whole life of the key').argParser(wholeNumber({ min: 1, max: 1_000_000_000 })),
    )
    .option('--owner <text>', 'who answers for the key')
    .option('--purpose <text>', 'why it exists')
    .option('--metadata <name=value>', 'your own note', metadata)
    .option('--on-behalf-of <text>', 'on whose behalf the key acts, for the journal')
    .option('--parent <id>', 'the key it descends from: it is within it, and has from it what is left out here')
    .option('--no-children', 'it may not mint narrower keys')
    .action(
      registrar.run(async (shell, options: MintOptions) => {
        const minted = await withAuthority(shell, async (authority) => await mint(authority, requestOf(options), { via: 'cli' }));
        await shell.print(mintAnswer(minted), newKeyText(minted.key, minted.record));
        tellWarnings(shell, minted.warnings);
        return 0;
      }),
    );
}

/** The options as the body of the mint operation; options not given are not in it, so that its defaults apply. */
function requestOf(options: MintOptions): Record<string, unknown> {
  const body = {
    ...grantMembers(options),
    name: options.name,
    permissions: options.permission,
    environment: options.env,
    accountId: options.account,
    agentId: options.agent,
    botId: options.bot,
    kind: options.kind,
    orgId: options.org,
    parentId: options.parent,
    children: options.children ? undefined : false,
  };
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined));
}
