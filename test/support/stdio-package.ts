import { createRequire } from 'node:module';
import { join } from 'node:path';

/** How a reference server of the MCP project is started on standard input and output, in configuration form. */
export function stdioPackage(name: string, args: readonly string[] = []): { command: string; args: string[] } {
  const manifest = createRequire(import.meta.url).resolve(`@modelcontextprotocol/server-${name}/package.json`);
  return { command: process.execPath, args: [join(manifest, '../dist/index.js'), ...args] };
}
