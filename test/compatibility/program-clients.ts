import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import type { Connected, MatrixClient, ToolCall } from './connected.ts';
import { v1Connected } from './module-clients.ts';
import { textOf } from './text-of.ts';

const commandMsMax = 60_000;

/** Clients that are programs of their own. */
export const programClients: readonly MatrixClient[] = [
  {
    name: 'Inspector CLI',
    package: '@modelcontextprotocol/inspector',
    era: 'session',
    noCancel: 'it makes one request and ends with its answer',
    connect: connectInspector,
  },
  { name: 'mcp-remote', package: 'mcp-remote', era: 'session', connect: connectRemote },
];

/** The folder of a package that package.json names. Not every package lets its package.json be resolved. */
export function packageFolder(name: string): string {
  return fileURLToPath(new URL(`../../node_modules/${name}`, import.meta.url));
}

/** Each request is a process, which connects, asks and leaves. Its catalogue of servers is kept out of the home folder. */
async function connectInspector(url: string, key: string): Promise<Connected> {
  const folder = await mkdtemp(join(tmpdir(), 'keygate-inspector-'));
  const entry = join(packageFolder('@modelcontextprotocol/inspector'), 'clients/launcher/build/index.js');
  const ask = async (...options: string[]): Promise<Record<string, unknown>> => {
    const args = [entry, '--cli', url, '--transport', 'http', '--header', `Authorization: Bearer ${key}`, ...options];
    return JSON.parse(await run(args, { HOME: folder, MCP_CATALOG_PATH: join(folder, 'mcp.json') }));
  };
  const call = async ({ tool, args }: ToolCall) => {
    const pairs = Object.entries(args).map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
    return textOf(await ask('--method', 'tools/call', '--tool-name', tool, ...(pairs.length > 0 ? ['--tool-arg', ...pairs] : [])));
  };
  const list = async () => ((await ask('--method', 'tools/list'))['tools'] as { name: string }[]).map(({ name }) => name);
  // The first request shows whether it connects.
  await list();
  return {
    list,
    call,
    stream: async (wanted) => ({ text: await call(wanted), progress: undefined }),
    close: () => rm(folder, { recursive: true, force: true }),
  };
}

function run(args: readonly string[], env: Record<string, string>): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { env: { ...process.env, ...env }, timeout: commandMsMax, maxBuffer: 16 * 1024 * 1024 };
    execFile(process.execPath, args, options, (failure, stdout, stderr) => {
      if (failure === null) resolve(stdout);
      else reject(new Error(stderr.trim() || stdout.trim() || failure.message));
    });
  });
}

/** A bridge for clients that only speak stdio: here the v1 SDK's client speaks to it. The key stands in a file, not among its arguments. */
async function connectRemote(url: string, key: string): Promise<Connected> {
  const folder = await mkdtemp(join(tmpdir(), 'keygate-mcp-remote-'));
  const headers = join(folder, 'headers.txt');
  await writeFile(headers, `Authorization: Bearer ${key}\n`, { mode: 0o600 });
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [join(packageFolder('mcp-remote'), 'dist/proxy.js'), url, '--header-file', headers, '--silent'],
    env: { ...(process.env as Record<string, string>), HOME: folder, MCP_REMOTE_CONFIG_DIR: folder },
    stderr: 'ignore',
  });
  const client = new Client({ name: 'test-client', version: '1.0.0' });
  try {
    await client.connect(transport);
  } catch (problem) {
    await transport.close();
    await rm(folder, { recursive: true, force: true });
    throw problem;
  }
  return {
    ...v1Connected(client),
    async close() {
      await client.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
