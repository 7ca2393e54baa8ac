import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { JournalRecord } from '../../src/domain/record.ts';
import { type StartedProcess, startProcess } from './process.ts';
import { answerMsMax, type Outcome, openCaller } from './replica-call.ts';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const commandMsMax = 30_000;
const exportBytesMax = 64 * 1024 * 1024;

/** Several gateways on one shared store: processes of their own with one configuration, asked over HTTP and by the command line alone. */
export interface Replicas {
  readonly folder: string;
  /** By place; restart() puts another process into a place. */
  readonly all: readonly Replica[];
  start(): Promise<Replica>;
  restart(at: number): Promise<Replica>;
  /** Asks the management API as the first operator, by default on the first replica. */
  api(request: ApiRequest, at?: number): Promise<ApiAnswer>;
  /** As api(), for what must succeed. @throws Error with the answer where it does not */
  done(request: ApiRequest, at?: number): Promise<Record<string, unknown>>;
  mint(request: Record<string, unknown>, at?: number): Promise<MintedKey>;
  /** Opens an account and credits it. @param amount decimal */
  fund(account: string, amount: string): Promise<void>;
  /** Changes members of the configuration that the gateways were started with. */
  configure(change: (config: Record<string, unknown>) => Record<string, unknown>): Promise<void>;
  /** Runs one command of the command line to its end. */
  cli(...args: string[]): Promise<CommandEnd>;
  /** The whole journal, by `keygate journal export`. */
  journal(): Promise<JournalRecord[]>;
  /** Kills every gateway that still runs here, by its id, and removes the folder. */
  remove(): Promise<void>;
}

export interface Replica extends StartedProcess {
  readonly mcpUrl: string;
  readonly adminUrl: string;
  /** Calls a tool of the upstream `up`. @throws Error where the gateway does not answer at all, which is no outcome */
  call(key: string, tool: string): Promise<Outcome>;
}

export interface MintedKey {
  readonly id: string;
  readonly key: string;
}

export interface ApiRequest {
  readonly verb: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** Below /api/v1. */
  readonly path: string;
  readonly body?: Record<string, unknown>;
}

export interface ApiAnswer {
  readonly status: number;
  readonly json: Record<string, unknown>;
}

interface CommandEnd {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Makes a folder with the configuration and the secrets of `keygate init`, then starts gateways.
 * @param options.store  a Redis URL, or a folder, of which there is one gateway
 * @param options.price  of every tool of the upstream `up`, decimal
 * @param options.config  more members of the configuration
 * @param options.args  more arguments of `keygate serve`
 */
export async function startReplicas(options: {
  store: string;
  upstreamUrl: string;
  price: string;
  count: number;
  config?: Record<string, unknown>;
  args?: readonly string[];
}): Promise<Replicas> {
  const { store, upstreamUrl, price, count, config, args = [] } = options;
  const folder = await mkdtemp(join(tmpdir(), 'keygate-replicas-'));
  const configFile = join(folder, 'keygate.json');
  const grants = { scope: 'read:up', price };
  const up = { url: upstreamUrl, environment: 'live', tools: [{ match: '*', ...grants }], pinning: { mode: 'off' } };
  const listen = { mcp: '127.0.0.1:0', admin: '127.0.0.1:0' };
  const written: Record<string, unknown> = { listen, store, upstreams: { up }, ...config };
  await writeFile(configFile, JSON.stringify(written, null, 2));
  const cli: Replicas['cli'] = (...line) => runCommand([main, ...line, '--config', configFile], folder);
  const all: Replica[] = [];
  const started: StartedProcess[] = [];

  const launch = async () => {
    const { child, replica } = await launchReplica({ configFile, folder, args });
    started.push(child);
    return replica;
  };
  const remove = async () => {
    for (const child of started) child.kill('SIGKILL');
    await Promise.all(started.map(({ exited }) => exited));
    await rm(folder, { recursive: true, force: true });
  };
  let operator = '';
  try {
    const made = await cli('init', '--json');
    if (made.code !== 0) throw new Error(`keygate init ended with ${made.code}: ${made.stdout}${made.stderr}`);
    operator = (JSON.parse(made.stdout) as { operator: { key: string } | null }).operator?.key ?? '';
    all.push(...(await Promise.all(Array.from({ length: count }, launch))));
  } catch (error) {
    await remove();
    throw error;
  }

  const api: Replicas['api'] = ({ verb, path, body }, at = 0) => {
    const replica = all[at];
    if (replica === undefined) throw new Error(`there is no replica ${at}`);
    return askApi(replica.adminUrl, { verb, path, ...(body === undefined ? {} : { body }) }, operator);
  };
  const done: Replicas['done'] = async (request, at) => {
    const { status, json } = await api(request, at);
    if (status >= 300) throw new Error(`${request.verb} ${request.path} was answered ${status}: ${JSON.stringify(json)}`);
    return json;
  };
  return {
    ...{ folder, all, api, done, cli, remove },
    async start() {
      const replica = await launch();
      all.push(replica);
      return replica;
    },
    async restart(at) {
      const replica = await launch();
      all[at] = replica;
      return replica;
    },
    async configure(change) {
      await writeFile(configFile, JSON.stringify({ ...written, ...change(written) }, null, 2));
    },
    async mint(request, at) {
      const body = { name: 'key of a test', scopes: ['read:up'], ...request };
      const { id, key } = await done({ verb: 'POST', path: '/keys/mint', body }, at);
      return { id: String(id), key: String(key) };
    },
    async fund(account, amount) {
      await done({ verb: 'POST', path: '/accounts', body: { id: account } });
      await done({ verb: 'POST', path: `/accounts/${account}/credit`, body: { amount, reference: `first of ${account}` } });
    },
    async journal() {
      const file = join(folder, 'export.jsonl');
      const exported = await cli('journal', 'export', '--output', file);
      if (exported.code !== 0) throw new Error(`the export ended with ${exported.code}: ${exported.stdout}${exported.stderr}`);
      const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
      return lines.filter((line) => !line.startsWith('{"checkpoint"')).map((line) => JSON.parse(line) as JournalRecord);
    },
  };
}

async function launchReplica({ configFile, folder, args }: { configFile: string; folder: string; args: readonly string[] }) {
  const line = [main, 'serve', '--config', configFile, ...args];
  const child = await startProcess(process.execPath, line, { cwd: folder, ready: /"keygate is serving"/, readyMsMax: 60_000 });
  const told = child
    .stderr()
    .split('\n')
    .find((each) => each.includes('"keygate is serving"'));
  const { mcp = '', admin = '' } = JSON.parse(told ?? '{}') as { mcp?: string; admin?: string };
  const caller = openCaller(mcp);
  void child.exited.then(() => caller.close());
  const replica: Replica = { ...child, mcpUrl: mcp, adminUrl: admin, call: caller.call };
  return { child, replica };
}

async function askApi(adminUrl: string, { verb, path, body }: ApiRequest, operator: string): Promise<ApiAnswer> {
  const response = await fetch(`${adminUrl}/api/v1${path}`, {
    method: verb,
    headers: { authorization: `Bearer ${operator}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    signal: AbortSignal.timeout(answerMsMax),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, json: (await response.json()) as Record<string, unknown> };
}

/** The exit code is -1 where a signal ended the command, which it does after `commandMsMax`. */
function runCommand(args: string[], cwd: string): Promise<CommandEnd> {
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd, timeout: commandMsMax, maxBuffer: exportBytesMax }, (failure, stdout, stderr) => {
      const code = failure === null ? 0 : typeof failure.code === 'number' ? failure.code : -1;
      resolve({ code, stdout, stderr });
    });
  });
}
