import type { Command } from 'commander';
import type { Explanation } from '../../domain/explanation.ts';
import { judgeCase } from './judge-case.ts';
import { table } from './print.ts';
import { type RuleCase, readCases } from './rule-cases.ts';
import { pathOf, type Registrar } from './shell.ts';

export function addRules(program: Command, registrar: Registrar): void {
  program
    .command('rules')
    .description("try the configuration's rules")
    .command('test')
    .description('judge a table of cases (YAML) by the rules, without a store; exit code 1 where one comes out otherwise')
    .argument('<file>', 'the cases')
    .action(
      registrar.run(async (shell, file: string) => {
        const cases = await readCases(pathOf(shell, file), shell.deps.cwd);
        const bench = await shell.deps.openRules({ configFile: shell.configFile });
        const outcomes: Outcome[] = [];
        for (const [at, ruleCase] of cases.entries()) outcomes.push(compare(at, ruleCase, await judgeCase(bench, ruleCase)));
        const failed = outcomes.filter(({ ok }) => !ok).length;
        await shell.print({ ok: failed === 0, cases: outcomes }, outcomesText(outcomes, failed));
        return failed === 0 ? 0 : 1;
      }),
    );
}

interface Outcome {
  readonly name: string;
  readonly ok: boolean;
  readonly call: string;
  readonly expected: { readonly answer: string; readonly rule?: string };
  readonly got: { readonly answer: string; readonly rule?: string; readonly lift?: string };
}

function compare(at: number, { name, upstream, tool, expect, rule }: RuleCase, explained: Explanation): Outcome {
  const answer = explained.reason ?? 'allowed';
  return {
    name: name ?? `case ${at + 1}`,
    ok: answer === expect && (rule === undefined || rule === explained.rule),
    call: `${upstream} ${tool}`,
    expected: { answer: expect, ...(rule !== undefined && { rule }) },
    got: {
      answer,
      ...(explained.rule !== undefined && { rule: explained.rule }),
      ...(explained.lift !== undefined && { lift: explained.lift }),
    },
  };
}

function outcomesText(outcomes: readonly Outcome[], failed: number): string {
  const rows = outcomes.map(({ ok, name, call, expected, got }) => [
    ok ? 'ok' : 'FAILED',
    name,
    call,
    [expected.answer, expected.rule].filter(Boolean).join(' '),
    [got.answer, got.rule].filter(Boolean).join(' '),
  ]);
  const summary = `${outcomes.length} ${outcomes.length === 1 ? 'case' : 'cases'}, ${failed === 0 ? 'all as expected' : `${failed} otherwise`}\n`;
  return table(['', 'CASE', 'CALL', 'EXPECTED', 'GOT'], rows) + summary;
}
