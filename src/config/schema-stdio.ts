import * as z from 'zod';
import type { ChildrenLimits } from '../domain/target.ts';
import { readCount, readMilliseconds } from './amounts.ts';
import type { Reading } from './problems.ts';
import { checked, meaning } from './reading.ts';

const textCharsMax = 32_768;

const noNul = (text: string): { message: string } | undefined => {
  if (text.includes('\0')) return { message: 'must not contain NUL' };
  return text.length > textCharsMax ? { message: `must have at most ${textCharsMax} characters` } : undefined;
};

/** No shell reads it: what looks like several words is the name of one file. */
const command = checked((text) => {
  if (text.trim() === '') return { message: 'must not be empty' };
  if (/\s/.test(text) && !text.includes('/')) {
    return { message: 'must be one program, without arguments', hint: 'put what follows it into args' };
  }
  return noNul(text);
});

const argument = checked(noNul);

const environment = meaning(z.record(z.string(), argument), (variables): Reading<Record<string, string>> => {
  const wrong = Object.keys(variables).find((name) => !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name));
  return wrong === undefined
    ? { value: variables }
    : { message: 'has a name that no environment variable can have', hint: 'letters, digits and "_", not beginning with a digit' };
});

const children = bounded(readCount, { least: 1, leastText: '1', most: 10_000, mostText: '10000' });
const idle = bounded(readMilliseconds, { least: 1_000, leastText: '1s', most: 604_800_000, mostText: '7d' });
const start = bounded(readMilliseconds, { least: 100, leastText: '100ms', most: 600_000, mostText: '10m' });
const grace = bounded(readMilliseconds, { least: 10, leastText: '10ms', most: 60_000, mostText: '60s' });

export const stdioMembers = {
  command: command.optional().describe('The program to start instead of a url: one file, found by PATH; no shell.'),
  args: z.array(argument).optional().describe('Its arguments.'),
  env: environment.optional().describe('Environment variables for it. It gets none of the rest but PATH, HOME, LANG and a few like them.'),
  cwd: checked((text) => (text === '' ? { message: 'must not be empty' } : noNul(text)))
    .optional()
    .describe('The folder it is started in. Default: the one keygate was started in.'),
  stdio: z
    .strictObject({
      process: z.enum(['session', 'shared']).default('session').describe('A child for each session, or one for all.'),
      idleMs: idle('10m', 'How long a child is kept that nobody uses.'),
      startTimeoutMs: start('30s', 'Longest wait for the first answer of a child.'),
      stopGraceMs: grace('2s', 'How long a child may take to end when its input is closed, and again after SIGTERM, before SIGKILL.'),
      childrenMax: children(32, 'Children at a time.'),
      childrenPerKeyMax: children(8, 'Children of one key at a time.'),
      killWithGateway: z
        .boolean()
        .default(false)
        .describe('On Linux, with setpriv of util-linux: the kernel kills the child when the gateway is gone, however that came.'),
    })
    .optional()
    .describe('How children are run.'),
};

/** What is started, and how. `cwd` as written. */
export interface StdioConfig {
  command: { file: string; args: string[]; env: Record<string, string>; cwd: string };
  children: ChildrenLimits;
}

type Written = { [member in keyof typeof stdioMembers]?: z.output<(typeof stdioMembers)[member]> | undefined };

/** Undefined where no command is written. */
export function readStdio({ command: file, args = [], env = {}, cwd = '.', stdio }: Written): StdioConfig | undefined {
  if (file === undefined) return undefined;
  return { command: { file, args, env: { ...env }, cwd }, children: stdio ?? stdioMembers.stdio.unwrap().parse({}) };
}

function bounded(
  read: (written: number | string) => Reading<number>,
  { least, leastText, most, mostText }: { least: number; leastText: string; most: number; mostText: string },
) {
  const within = (written: number | string): Reading<number> => {
    const reading = read(written);
    if (!('value' in reading)) return reading;
    if (reading.value < least) return { message: `must be at least ${leastText}` };
    return reading.value <= most ? reading : { message: `must be at most ${mostText}` };
  };
  return (fallback: number | string, description: string) =>
    meaning(z.union([z.int(), z.string()]), within)
      .prefault(fallback)
      .describe(description);
}
