import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Script } from './connection.ts';

/**
 * Reads `lua/<name>.lua` beside this file. Called once for each script when an adapter is made, never for a request.
 * @throws Error where the build lacks the file
 */
export function loadScript(name: string): Script {
  const file = new URL(`./lua/${name}.lua`, import.meta.url);
  let source: string;
  try {
    source = readFileSync(file, 'utf8');
  } catch (error) {
    throw new Error(`This build lacks the Redis script ${name}.lua. Build keygate again with npm run build.`, { cause: error });
  }
  return scriptOf(name, source);
}

/** A script from its source. */
export function scriptOf(name: string, source: string): Script {
  return { name, source, sha: createHash('sha1').update(source).digest('hex') };
}
