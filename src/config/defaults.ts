import { join, resolve } from 'node:path';
import { hintFor, readSecretFile, type Sources } from './interpolate.ts';
import type { Finding } from './problems.ts';
import { readStore } from './store.ts';
import { type Leaf, leafAt, leafText, type Members, type Place, type Tree, withMembers } from './tree.ts';

/** The secrets of `keys`, and the files in the folder of secretFolder() that they are read from where the configuration does not name them. */
export const secretFileNames = { pepper: 'pepper', seal: 'seal', signing: 'signing.jwk' } as const;
export type SecretName = keyof typeof secretFileNames;
export const secretNames: readonly SecretName[] = ['pepper', 'seal', 'signing'];

/** Where the store is, and the secrets are, unless the configuration says otherwise. */
const defaultFolder = './var';

/**
 * Absolute path of the folder that secrets are read from by default: the store's own, or the default folder where the store is no folder.
 * Undefined where what is written is no store.
 */
export function secretFolder(tree: Members, cwd: string): string | undefined {
  const node = tree.members.get('store');
  if (node?.kind === 'leaf' && node.broken) return undefined;
  const reading = readStore(node === undefined ? defaultFolder : (leafText(tree, 'store') ?? ''));
  if (!('value' in reading)) return undefined;
  return resolve(cwd, reading.value.kind === 'folder' ? reading.value.folder : defaultFolder);
}

/** Adds the secrets that `keys` does not name, from their files. Where the folder is unknown they are marked broken: that problem is reported already. */
export async function addDefaultSecrets(tree: Members, sources: Sources): Promise<{ tree: Members; findings: Finding[] }> {
  const findings: Finding[] = [];
  const keys = tree.members.get('keys');
  if (keys && keys.kind !== 'members') return { tree, findings };
  const folder = secretFolder(tree, sources.cwd);
  const added = new Map<string, Tree>();
  for (const name of secretNames) {
    if (keys?.members.has(name)) continue;
    const at: Place = { ...keys?.at, path: `keys.${name}` };
    added.set(
      name,
      folder === undefined ? leafAt(at, '', true) : await secretLeaf(at, join(folder, secretFileNames[name]), sources, findings),
    );
  }
  const root: Members = keys ?? { kind: 'members', at: { path: 'keys' }, members: new Map() };
  return { tree: withMembers(tree, new Map([['keys', withMembers(root, added)]])), findings };
}

async function secretLeaf(at: Place, path: string, sources: Sources, findings: Finding[]): Promise<Leaf> {
  const reading = await readSecretFile(path, sources);
  if ('value' in reading) return { ...leafAt(at, reading.value), interpolated: true };
  findings.push({ ...at, ...reading, ...hintFor(at.path, reading) });
  return leafAt(at, '', true);
}
