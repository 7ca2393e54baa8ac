import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';

/**
 * An MCP server on standard input and output that behaves, and misbehaves, as its tools are called. Run as a program:
 * `node stdio-server.ts [--ignore-sigterm] [--ignore-eof] [--stateless]`.
 */

interface Message {
  readonly id?: string | number;
  readonly method?: string;
  readonly params?: Record<string, unknown> & {
    name?: string;
    arguments?: Record<string, unknown>;
    _meta?: { progressToken?: string | number };
  };
  readonly result?: unknown;
  readonly error?: unknown;
}

const options = new Set(process.argv.slice(2));
const seen: Message[] = [];
const waiting = new Map<string | number, (message: Message) => void>();
let asked = 0;

const send = (message: object): void => void process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
const text = (value: unknown): object => ({ content: [{ type: 'text', text: JSON.stringify(value) }] });

const tools: Record<string, (args: Record<string, unknown>, message: Message) => unknown> = {
  async echo(args) {
    await wait(Number(args['delayMs'] ?? 0));
    return args;
  },
  pid: () => process.pid,
  environment: () => process.env,
  folder: () => process.cwd(),
  seen: () => seen.map(({ method, id, params }) => ({ method, id, params })),
  crash: () => process.exit(3),
  never: () => new Promise(() => undefined),
  async garbage() {
    process.stdout.write('Server running on stdio\n{"half": \n[1,2]\n\n');
    return 'after the garbage';
  },
  async progress(args, { params }) {
    for (let step = 1; step <= Number(args['steps'] ?? 3); step += 1) {
      send({ method: 'notifications/progress', params: { progressToken: params?._meta?.progressToken, progress: step } });
      await wait(2);
    }
    return 'done';
  },
  async ask(args) {
    asked += 1;
    const id = `ask-${asked}`;
    const { promise, resolve } = Promise.withResolvers<Message>();
    waiting.set(id, resolve);
    send({ id, method: String(args['method'] ?? 'sampling/createMessage'), params: { messages: [], maxTokens: 1 } });
    const { result, error } = await promise;
    return { result, error };
  },
  log(args) {
    send({ method: 'notifications/message', params: { level: args['level'] ?? 'error', data: args['data'] ?? 'a log line' } });
    return 'logged';
  },
  touch(args) {
    send({ method: 'notifications/resources/updated', params: { uri: args['uri'] } });
    return 'touched';
  },
  change() {
    send({ method: 'notifications/tools/list_changed' });
    return 'changed';
  },
  /** A line of so many MiB that never ends. */
  async flood(args) {
    const piece = Buffer.alloc(1024 * 1024, 'x');
    for (let count = 0; count < Number(args['mebibytes']); count += 1) {
      if (!process.stdout.write(piece)) await new Promise((resolve) => process.stdout.once('drain', resolve));
    }
    return 'flooded';
  },
  async complain(args) {
    for (let count = 0; count < Number(args['lines']); count += 1) {
      if (!process.stderr.write(`complaint ${count} ${String(args['words'] ?? '')}\n`)) {
        await new Promise((resolve) => process.stderr.once('drain', resolve));
      }
    }
    return 'complained';
  },
  /** Something of its own that outlives it unless it is ended too. */
  offspring() {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)'], { stdio: 'ignore' });
    return child.pid;
  },
};

async function answer(message: Message): Promise<object | undefined> {
  const { method, params } = message;
  const meta = options.has('--stateless') ? { resultType: 'complete' } : {};
  if (method === 'tools/call') {
    const tool = tools[params?.name ?? ''];
    if (!tool) return undefined;
    return { ...meta, ...text(await tool(params?.arguments ?? {}, message)) };
  }
  if (method === 'tools/list') {
    return { ...meta, tools: Object.keys(tools).map((name) => ({ name, inputSchema: { type: 'object' } })) };
  }
  if (method === 'initialize' && !options.has('--stateless')) {
    const capabilities = { tools: { listChanged: true }, resources: { subscribe: true }, logging: {} };
    return { protocolVersion: params?.['protocolVersion'], capabilities, serverInfo: { name: 'stdio-server', version: '1.0.0' } };
  }
  const empty = ['ping', 'resources/subscribe', 'resources/unsubscribe', 'logging/setLevel'];
  return empty.includes(method ?? '') ? { ...meta } : undefined;
}

async function take(message: Message): Promise<void> {
  seen.push(message);
  if (message.method === undefined) return void waiting.get(message.id ?? '')?.(message);
  if (message.id === undefined) return;
  const result = await answer(message);
  send(result ? { id: message.id, result } : { id: message.id, error: { code: -32601, message: `Method not found: ${message.method}` } });
}

if (options.has('--ignore-sigterm')) process.on('SIGTERM', () => undefined);
const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => void take(JSON.parse(line) as Message));
lines.on('close', () => {
  if (options.has('--ignore-eof')) setInterval(() => undefined, 1_000);
  else process.exit(0);
});
