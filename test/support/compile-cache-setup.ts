import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Before any test: a folder in which Node keeps what it has compiled (its documentation, "Module compile cache"). Hundreds of gateways and commands are started
 * as processes of their own, and half of what each takes to start is reading the same sources as the one before. Removed after the last test.
 */
export async function setup(): Promise<(() => Promise<void>) | undefined> {
  if (process.env['NODE_COMPILE_CACHE'] !== undefined) return undefined;
  const folder = await mkdtemp(join(tmpdir(), 'keygate-test-compiled-'));
  process.env['NODE_COMPILE_CACHE'] = folder;
  // Processes that are ending still write to it.
  return () => rm(folder, { recursive: true, force: true, maxRetries: 10 });
}
