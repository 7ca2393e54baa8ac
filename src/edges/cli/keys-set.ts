import { type Command, Option } from 'commander';
import { patch, patchAnswer } from '../../authority/patch.ts';
import { CommandFailure } from './failure.ts';
import { type GrantOptions, grantMembers } from './grant-options.ts';
import { keyArgument } from './key-argument.ts';
import { keyText } from './key-text.ts';
import { budgets, caps, lifetime, metadata, rate, wholeNumber } from './parse-options.ts';
import { type Registrar, tellWarnings, withAuthority } from './shell.ts';

const lists = ['scopes', 'upstreams', 'tools', 'addresses', 'budgets', 'caps'] as const;
const singles = ['rate', 'max-uses', 'owner', 'purpose', 'metadata', 'on-behalf-of'] as const;

interface SetOptions extends GrantOptions {
  readonly name?: string;
  readonly children?: 'yes' | 'no';
  readonly clear?: readonly string[];
}

export function addKeysSet(keys: Command, registrar: Registrar): void {
  keys
    .command('set')
    .description('change a key: what is named, and nothing else')
    .argument(...keyArgument)
    .option('--name <name>', 'what the key is for, in a few words')
    .option('--scope <scope...>', 'all its scopes')
    .option('--upstream <name...>', 'all upstreams the key may reach')
    .option('--tool <pattern...>', 'all tools the key may call')
    .option('--address <cidr...>', 'all places the key may be used from')
    .option('--budget <amount/window>', 'all its budgets, such as 5.00/day or 5.00/day:tool=get_*', budgets)
    .option('--cap <calls/window>', 'all its caps, such as 100/hour or 100/hour:tool=get_*', caps)
    .option('--rate <calls/time>', 'requests of every kind, such as 10/s or 600/m', rate)
    .option('--expires <lifetime>', 'life from now, such as 30d, 12h or never', lifetime)
    .addOption(
      new Option('--max-uses <number>', 'calls in the whole life of the key').argParser(wholeNumber({ min: 1, max: 1_000_000_000 })),
    )
    .addOption(new Option('--children <answer>', 'whether it may mint narrower keys').choices(['yes', 'no']))
    .option('--owner <text>', 'who answers for the key')
    .option('--purpose <text>', 'why it exists')
    .option('--metadata <name=value>', 'all your own notes', metadata)
    .option('--on-behalf-of <text>', 'on whose behalf the key acts, for the journal')
    .addOption(new Option('--clear <member...>', 'take these away').choices([...lists, ...singles]))
    .action(
      registrar.run(async (shell, id: string, options: SetOptions) => {
        const changes = changesOf(options);
        const patched = await withAuthority(shell, async (authority) => await patch(authority, id, changes, { via: 'cli' }));
        await shell.print(patchAnswer(patched), keyText(patched.record));
        tellWarnings(shell, patched.warnings);
        return 0;
      }),
    );
}

/** The options as the body of the patch operation. */
function changesOf(options: SetOptions): Record<string, unknown> {
  const body: Record<string, unknown> = {
    ...grantMembers(options),
    name: options.name,
    children: options.children === undefined ? undefined : options.children === 'yes',
  };
  for (const name of options.clear ?? []) {
    const member = name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
    if (body[member] !== undefined) throw new CommandFailure('USAGE', `--clear ${name} contradicts another option`, { exitCode: 2 });
    body[member] = lists.some((list) => list === name) ? [] : null;
  }
  const changes = Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined));
  if (Object.keys(changes).length === 0) throw new CommandFailure('USAGE', 'name at least one thing to change', { exitCode: 2 });
  return changes;
}
