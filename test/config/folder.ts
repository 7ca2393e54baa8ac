import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';

/** A temporary folder holding the given files; removed when the test ends. */
export function folderWith(files: Record<string, string | Uint8Array> = {}): {
  path: string;
  write: (name: string, text: string | Uint8Array) => string;
} {
  const path = mkdtempSync(join(tmpdir(), 'keygate-config-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  const write = (name: string, text: string | Uint8Array): string => {
    const file = join(path, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    return file;
  };
  for (const [name, text] of Object.entries(files)) write(name, text);
  return { path, write };
}

/** What `keygate init` would have made in the default store folder. */
export const secrets = {
  'var/pepper': `${'p'.repeat(40)}\n`,
  'var/seal': `${'s'.repeat(40)}\n`,
  'var/signing.jwk': '{"keys":[{"kty":"EC"}]}\n',
};
