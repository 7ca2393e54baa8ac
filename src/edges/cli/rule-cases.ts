import * as z from 'zod';
import { toProblems } from '../../config/load.ts';
import { parseText } from '../../config/parse.ts';
import { type Finding, formatProblem } from '../../config/problems.ts';
import { readText } from '../../config/read-file.ts';
import { find, type Tree, toPlain } from '../../config/tree.ts';
import { denialTable, type Reason } from '../../domain/denial.ts';
import { scopeProblem } from '../../domain/scope.ts';
import { CommandFailure } from './failure.ts';

const list = (item: z.ZodType<string>) => z.union([item, z.array(item)]).transform((written) => [written].flat());
const scope = z.string().superRefine((text, check) => {
  const message = scopeProblem(text);
  if (message !== undefined) check.addIssue({ code: 'custom', message });
});

const keySchema = z.strictObject({
  scopes: list(scope),
  kind: z.enum(['agent', 'bot', 'operator']).default('agent'),
  environment: z.enum(['live', 'test']).default('live'),
  org: z.string().optional(),
  agent: z.string().optional(),
  bot: z.string().optional(),
  tools: list(z.string()).default([]),
  upstreams: list(z.string()).default([]),
  /** Whether its second factor was passed a short while ago. */
  stepUp: z.boolean().default(false),
});

const reasons = Object.keys(denialTable) as Reason[];

const caseSchema = z.strictObject({
  name: z.string().optional(),
  key: keySchema,
  upstream: z.string(),
  tool: z.string(),
  method: z.string().optional(),
  arguments: z.record(z.string(), z.unknown()).optional(),
  address: z.string().optional(),
  /** When the call is made; now unless set. */
  at: z.iso.datetime({ offset: true }).optional(),
  /** What an upstream without written rules says about the tool. */
  annotations: z.strictObject({ readOnlyHint: z.boolean().optional(), destructiveHint: z.boolean().optional() }).default({}),
  expect: z.enum(['allowed', ...reasons]),
  /** The rule that is to decide, such as `wiki.tools[0]`. */
  rule: z.string().optional(),
});

/** One line of a table of cases: a key made up for it, a call, and what is to become of it. */
export type RuleCase = z.output<typeof caseSchema>;

const fileBytesMax = 1024 * 1024;

/** Reads a table of cases: a YAML list. @throws CommandFailure naming every problem with its place */
export async function readCases(file: string, cwd: string): Promise<RuleCase[]> {
  const fail = (lines: string[]) => new CommandFailure('CASES_INVALID', 'the cases cannot be read', { lines });
  const reading = await readText(file, fileBytesMax);
  if (!('value' in reading)) throw fail([`${file}: the file ${reading.message}`]);
  const parsed = parseText(reading.value, 'yaml');
  const { tree, findings } = parsed;
  const result = tree && findings.length === 0 ? z.array(caseSchema).min(1).safeParse(toPlain(tree)) : undefined;
  if (result?.success) return result.data;
  const judged = tree && result ? result.error.issues.flatMap((issue) => ofIssue(issue, tree)) : [];
  throw fail(toProblems([...findings, ...judged], parsed).map((problem) => formatProblem(file, problem, cwd)));
}

function ofIssue(issue: z.core.$ZodIssue, tree: Tree): Finding[] {
  if (issue.code !== 'unrecognized_keys') return [{ ...find(tree, issue.path).place, message: issue.message }];
  return issue.keys.map((name) => ({ ...find(tree, [...issue.path, name]).place, message: 'is no member of a case' }));
}
