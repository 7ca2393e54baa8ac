import { join, resolve } from 'node:path';
import { type SecretName, secretFileNames, secretFolder, secretNames } from './defaults.ts';
import { interpolate } from './interpolate.ts';
import { openConfig, toProblems } from './load.ts';
import type { Problem } from './problems.ts';
import { child, leafText, type Members, withMembers } from './tree.ts';

export interface SecretFiles {
  /** Absolute paths; absent where the secret does not come from a file of its own. */
  pepper?: string;
  seal?: string;
  signing?: string;
  problems: Problem[];
}

/**
 * The files that `keys.pepper`, `keys.seal` and `keys.signing` are read from: a value that is nothing but `${file:…}` (in a list the first,
 * which is the newest), or the default in the folder of the store (`./var` where the store is Redis). The files need not exist: `keygate init` creates them. Only `store` is
 * interpolated, because nothing else has to be sound before the secrets are there.
 */
export async function secretFiles(options: { file: string; env: Record<string, string | undefined>; cwd: string }): Promise<SecretFiles> {
  const { env, cwd } = options;
  const opened = await openConfig(resolve(cwd, options.file));
  if (!('tree' in opened)) return { problems: opened.problems };
  const { tree, parsed } = opened;
  if (tree.kind !== 'members') return { problems: [{ path: '', message: 'must be a mapping' }] };
  const store = tree.members.get('store');
  const filled = store && (await interpolate(store, { env, cwd, files: new Set() }));
  const located: Members = filled ? withMembers(tree, new Map([['store', filled.tree]])) : tree;
  const folder = secretFolder(located, cwd);
  const findings = [...parsed.findings, ...(filled?.findings ?? [])];
  if (folder === undefined && findings.length === 0)
    findings.push({ ...(store?.at ?? { path: 'store' }), message: 'must be a folder or a Redis URL' });
  const found: Partial<Record<SecretName, string>> = {};
  for (const name of secretNames) {
    const path = pathOf(tree, name, folder);
    if (path !== undefined) found[name] = resolve(cwd, path);
  }
  return { ...found, problems: toProblems(findings, parsed) };
}

function pathOf(tree: Members, name: SecretName, folder: string | undefined): string | undefined {
  const keys = child(tree, 'keys');
  if (!keys || !child(keys, name)) return folder === undefined ? undefined : join(folder, secretFileNames[name]);
  const written = leafText(keys, name) ?? leafText(keys, name, 0);
  return /^\$\{file:([^}]+)\}$/.exec(written ?? '')?.[1];
}
