import type { Command } from 'commander';
import { findKey } from '../../authority/list.ts';
import type { StepUpAnswer } from '../../authority/step-up.ts';
import { CommandFailure } from './failure.ts';
import { pairs } from './print.ts';
import { type Registrar, withAuthority } from './shell.ts';

/** Adds `keys enrol` and `keys step-up`: the second factor of a key. */
export function addStepUp(keys: Command, registrar: Registrar): void {
  keys
    .command('enrol')
    .alias('enroll')
    .description('give a key a second factor; its secret is shown once, and the one before ends')
    .argument('<id>', 'the eight characters after kg_live_ or kg_test_')
    .action(
      registrar.run(async (shell, id: string) => {
        const enrolled = await withAuthority(shell, async (authority, _config, { stepUp }) => {
          const key = await findKey(authority, id);
          return { id: key.id, ...(await stepUp.enrol(key.id, { via: 'cli' })) };
        });
        const lines = pairs([
          ['secret', enrolled.secret],
          ['uri', enrolled.uri],
        ]);
        await shell.print(
          enrolled,
          `${lines}Put it into an authenticator app, then confirm it: keygate keys step-up ${enrolled.id} --code 123456\n`,
        );
        return 0;
      }),
    );
  keys
    .command('step-up')
    .description('pass a step-up: show the second factor of a key')
    .argument('<id>', 'the eight characters after kg_live_ or kg_test_')
    .requiredOption('--code <digits>', 'the six digits that the authenticator app shows now')
    .action(
      registrar.run(async (shell, id: string, { code }: { code: string }) => {
        const passed = await withAuthority(shell, async (authority, _config, { stepUp }) => {
          const key = await findKey(authority, id);
          return { id: key.id, freshUntil: freshUntilOf(await stepUp.verify(key.id, code)) };
        });
        await shell.print(passed, `${passed.id} has passed a step-up, which lasts until ${passed.freshUntil}\n`);
        return 0;
      }),
    );
}

const refusals = {
  wrong: 'The code is wrong, too old, or was used before. Wait for the next one.',
  locked: 'Too many wrong codes: none is looked at for a while.',
  'not-enrolled': 'This key has no second factor. Give it one with keys enrol.',
} as const;

/** ISO 8601. @throws CommandFailure where the code was refused */
function freshUntilOf(answer: StepUpAnswer): string {
  if (answer.ok) return new Date(answer.freshUntil).toISOString();
  const { reason, retryAfterMs } = answer;
  const lines = retryAfterMs === undefined ? [] : [`  try again in ${Math.ceil(retryAfterMs / 1000)} s`];
  throw new CommandFailure(`STEP_UP_${reason.toUpperCase().replace('-', '_')}`, refusals[reason], { lines });
}
