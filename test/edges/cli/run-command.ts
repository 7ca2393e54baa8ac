import type { Authority } from '../../../src/authority/authority.ts';
import type { CliDeps } from '../../../src/edges/cli/deps.ts';
import { runCli } from '../../../src/edges/cli/program.ts';

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  /** Standard output as the one JSON document it must be. */
  document<Shape = Record<string, unknown>>(): Shape;
}

/** Runs one command line in this process and gathers what it printed. */
export async function runCommand(argv: readonly string[], overrides: Partial<CliDeps> = {}): Promise<Ran> {
  let out = '';
  let err = '';
  const absent = async (): Promise<never> => {
    throw new Error('this test supplies no such thing');
  };
  const code = await runCli(
    {
      readConfig: absent,
      openAuthority: absent,
      openStore: absent,
      openDryRuns: absent,
      openRules: absent,
      serve: absent,
      demo: absent,
      out: (text) => {
        out += text;
      },
      err: (text) => {
        err += text;
      },
      input: noInput(),
      env: {},
      cwd: '/nowhere',
      version: '9.9.9',
      ...overrides,
    },
    argv,
  );
  return { code, out, err, document: <Shape>() => JSON.parse(out) as Shape };
}

/** Supplies an authority in place of a store. */
export function overAuthority(authority: Authority): Pick<CliDeps, 'openAuthority'> {
  return { openAuthority: async () => ({ authority, stepUp: {} as never, config: {} as never, close: async () => undefined }) };
}

async function* noInput(): AsyncGenerator<string> {}
