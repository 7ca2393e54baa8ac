import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startConformanceServer } from '../fixtures/conformance-server/server.ts';
import { startEverythingServer } from '../support/everything-server.ts';
import { startProcess } from '../support/process.ts';
import { startRecordingPassthrough } from '../support/recording-passthrough.ts';
import type { ToolCall } from './connected.ts';
import { type Heard, heardOverHttp, heardOverStdio } from './heard.ts';
import { packageFolder } from './program-clients.ts';

/** One row of the matrix. */
export interface MatrixUpstream {
  readonly name: string;
  readonly package?: string;
  readonly transport: 'http' | 'sse' | 'stdio';
  readonly era: 'session' | 'stateless' | 'both';
  readonly call: ToolCall & { readonly expect: RegExp };
  /** A call that reports progress; absent where no tool does. */
  readonly stream?: ToolCall & { readonly expect: RegExp };
  /** A call that runs until it is given up; absent where no tool runs long. */
  readonly long?: ToolCall;
  /** A tool that the key may not use. */
  readonly refused: ToolCall;
  start(): Promise<Running>;
}

export interface Running {
  /** Where keygate finds it: members of the upstream's configuration. */
  readonly place: Readonly<Record<string, unknown>>;
  readonly heard: Heard;
  close(): Promise<void>;
}

const everything = {
  package: '@modelcontextprotocol/server-everything',
  era: 'session',
  call: { tool: 'echo', args: { message: 'hello' }, expect: /hello/ },
  stream: { tool: 'trigger-long-running-operation', args: { duration: 0.3, steps: 3 }, expect: /completed/i },
  long: { tool: 'trigger-long-running-operation', args: { duration: 30, steps: 2 } },
  refused: { tool: 'get-env', args: {} },
} as const;

const fixture = {
  call: { tool: 'test_simple_text', args: {}, expect: /simple text response/ },
  stream: { tool: 'test_tool_with_progress', args: {}, expect: /100 of 100/ },
  long: { tool: 'test_wait_for_cancel', args: {} },
  refused: { tool: 'test_error_handling', args: {} },
} as const;

const everythingEntry = () => join(packageFolder('@modelcontextprotocol/server-everything'), 'dist/index.js');
const loopback = new URL('../support/loopback.mjs', import.meta.url).href;
const tee = fileURLToPath(new URL('tee-stdio.ts', import.meta.url));

export const upstreams: readonly MatrixUpstream[] = [
  { ...fixture, name: 'fixture, sessions', transport: 'http', era: 'session', start: () => startFixture('session') },
  { ...fixture, name: 'fixture, 2026-07-28', transport: 'http', era: 'stateless', start: () => startFixture('stateless') },
  { ...everything, name: 'everything over http', transport: 'http', start: () => startEverything('streamableHttp') },
  { ...everything, name: 'everything over sse', transport: 'sse', start: () => startEverything('sse') },
  { ...everything, name: 'everything over stdio', transport: 'stdio', start: () => overStdio([everythingEntry(), 'stdio']) },
  {
    ...everything,
    name: 'mcp-proxy, 2026-07-28 before everything',
    package: 'mcp-proxy',
    transport: 'http',
    era: 'both',
    start: startMcpProxy,
  },
  {
    name: 'notion with its own bearer',
    package: '@notionhq/notion-mcp-server',
    transport: 'http',
    era: 'session',
    // Notion itself is out of reach here: the server's own answer says so, and passes.
    call: { tool: 'API-get-self', args: {}, expect: /"status":"error"/ },
    refused: { tool: 'API-delete-a-block', args: { block_id: 'x' } },
    start: startNotion,
  },
  {
    name: 'filesystem over stdio',
    package: '@modelcontextprotocol/server-filesystem',
    transport: 'stdio',
    era: 'session',
    call: { tool: 'list_allowed_directories', args: {}, expect: /keygate-matrix/ },
    refused: { tool: 'write_file', args: { path: 'x', content: 'x' } },
    start: () =>
      withFolder((folder) => overStdio([join(packageFolder('@modelcontextprotocol/server-filesystem'), 'dist/index.js'), folder])),
  },
  {
    name: 'memory over stdio',
    package: '@modelcontextprotocol/server-memory',
    transport: 'stdio',
    era: 'session',
    call: { tool: 'read_graph', args: {}, expect: /entities/ },
    refused: { tool: 'create_entities', args: { entities: [] } },
    start: () =>
      withFolder((folder) =>
        overStdio([join(packageFolder('@modelcontextprotocol/server-memory'), 'dist/index.js')], {
          MEMORY_FILE_PATH: join(folder, 'memory.jsonl'),
        }),
      ),
  },
  {
    name: 'sequential-thinking over stdio',
    package: '@modelcontextprotocol/server-sequential-thinking',
    transport: 'stdio',
    era: 'session',
    call: {
      tool: 'sequentialthinking',
      args: { thought: 'one', nextThoughtNeeded: false, thoughtNumber: 1, totalThoughts: 1 },
      expect: /thoughtNumber/,
    },
    refused: { tool: 'another_tool', args: {} },
    start: () => overStdio([join(packageFolder('@modelcontextprotocol/server-sequential-thinking'), 'dist/index.js')]),
  },
];

async function startFixture(eras: 'session' | 'stateless'): Promise<Running> {
  const server = await startConformanceServer({ eras });
  return behindRecorder({ port: server.port, close: server.close });
}

async function startEverything(mode: 'streamableHttp' | 'sse'): Promise<Running> {
  const server = await startEverythingServer(mode);
  const transport = mode === 'sse' ? { transport: 'sse' } : {};
  return { place: { url: server.url, ...transport }, heard: heardOverHttp(server), close: () => server.close() };
}

async function startMcpProxy(): Promise<Running> {
  const entry = join(packageFolder('mcp-proxy'), 'dist/bin/mcp-proxy.mjs');
  const child = [process.execPath, everythingEntry(), 'stdio'];
  const args = ['--import', loopback, entry, '--host', '127.0.0.1', '--port', '0', '--', ...child];
  return listeningProgram(args, {});
}

/** Its way to Notion's API leads through a proxy that lets nothing out. */
async function startNotion(): Promise<Running> {
  const wall = createServer((_request, response) => void response.writeHead(502).end());
  wall.on('connect', (_request, socket) => void socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n'));
  wall.listen(0, '127.0.0.1');
  await once(wall, 'listening');
  const secret = 'the-servers-own-bearer';
  const entry = join(packageFolder('@notionhq/notion-mcp-server'), 'bin/cli.mjs');
  const args = ['--import', loopback, entry, '--transport', 'http', '--port', '0', '--auth-token', secret];
  const proxy = `http://127.0.0.1:${(wall.address() as AddressInfo).port}`;
  const running = await listeningProgram(args, {
    NOTION_TOKEN: 'ntn_not_a_token',
    HTTPS_PROXY: proxy,
    https_proxy: proxy,
    NO_PROXY: '',
    no_proxy: '',
  });
  return {
    ...running,
    place: { ...running.place, credential: { header: 'authorization', value: `Bearer ${secret}` } },
    async close() {
      await running.close();
      wall.close();
      wall.closeAllConnections();
    },
  };
}

async function listeningProgram(args: string[], env: Record<string, string>): Promise<Running> {
  const started = await startProcess(process.execPath, args, { env, ready: /loopback: listening on port \d+/ });
  const [, port] = await started.printed(/loopback: listening on port (\d+)/);
  return behindRecorder({
    port: Number(port),
    async close() {
      started.kill('SIGTERM');
      await started.exited;
    },
  });
}

async function behindRecorder(server: { port: number; close(): Promise<void> }): Promise<Running> {
  const front = await startRecordingPassthrough(server.port);
  return {
    place: { url: `http://127.0.0.1:${front.port}/mcp` },
    heard: heardOverHttp(front),
    async close() {
      await front.close();
      await server.close();
    },
  };
}

/** keygate starts these itself; what they are sent is kept in a file. */
async function overStdio(args: readonly string[], env: Record<string, string> = {}): Promise<Running> {
  const folder = await mkdtemp(join(tmpdir(), 'keygate-matrix-log-'));
  const log = join(folder, 'sent');
  await writeFile(log, '');
  return {
    place: { command: process.execPath, args: [tee, log, process.execPath, ...args], env },
    heard: heardOverStdio(log),
    close: () => rm(folder, { recursive: true, force: true }),
  };
}

async function withFolder(start: (folder: string) => Promise<Running>): Promise<Running> {
  const folder = await mkdtemp(join(tmpdir(), 'keygate-matrix-'));
  const running = await start(folder);
  return {
    ...running,
    async close() {
      await running.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
