import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectV1, connectV2Legacy } from '../../support/clients.ts';
import { type EverythingServer, startEverythingServer } from '../../support/everything-server.ts';
import { startTestGateway, type TestGateway } from '../../support/gateway.ts';
import { stdioPackage } from '../../support/stdio-package.ts';

let folder: string;
let sse: EverythingServer;
let gate: TestGateway;
let key: string;

const rules = {
  tools: [{ match: '*', scope: 'read:up', price: '0.001' }],
  resources: [{ match: '**', scope: 'read:up' }],
  prompts: [{ match: '*', scope: 'read:up' }],
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keygate-real-'));
  await writeFile(join(folder, 'note.txt'), 'what stands in the note');
  sse = await startEverythingServer('sse');
  const memory = { ...stdioPackage('memory'), env: { MEMORY_FILE_PATH: join(folder, 'memory.jsonl') } };
  gate = await startTestGateway({
    upstreams: {
      everything: { ...stdioPackage('everything', ['stdio']), ...rules },
      'everything-shared': { ...stdioPackage('everything', ['stdio']), stdio: { process: 'shared' }, ...rules },
      'everything-sse': { url: sse.url, transport: 'sse', credential: { header: 'x-key', value: 'the real credential' }, ...rules },
      filesystem: { ...stdioPackage('filesystem', [folder]), ...rules },
      memory: { ...memory, stdio: { process: 'shared' }, ...rules },
      thinking: { ...stdioPackage('sequential-thinking'), ...rules },
    },
    // What a client's own file would hold, with the scopes that the tools' annotations suggest.
    mcpServers: { Annotated: stdioPackage('filesystem', [folder]), 'Annotated SSE': { type: 'sse', url: sse.url } },
  });
  key = (await gate.mint({ scopes: ['read'] })).key;
});
afterAll(async () => {
  await gate.close();
  await sse.close();
  await rm(folder, { recursive: true, force: true });
});

const clients = { v1: connectV1, 'v2 legacy': connectV2Legacy };
type Client = Awaited<ReturnType<typeof connectV1>>;
const connectors = Object.entries(clients) as [keyof typeof clients, typeof connectV1][];
const call = async (client: Client, name: string, args: Record<string, unknown>) =>
  JSON.stringify(await client.callTool({ name, arguments: args }));

describe.each(connectors)('%s client', (which, connect) => {
  const using = async (upstream: string, act: (client: Client) => Promise<void>, options = {}): Promise<void> => {
    const client = await connect(`${gate.url}/mcp/${upstream}`, key, options);
    try {
      await act(client);
    } finally {
      await client.close();
    }
  };

  describe.each(['everything', 'everything-shared', 'everything-sse'])('%s', (upstream) => {
    it('lists, calls, reads, and sees progress', () =>
      using(upstream, async (client) => {
        expect((await client.listTools()).tools.length).toBeGreaterThan(5);
        expect(await call(client, 'echo', { message: `from ${which}` })).toContain(`from ${which}`);
        expect(await call(client, 'get-sum', { a: 2, b: 40 })).toContain('42');
        const { resources } = await client.listResources();
        expect((await client.readResource({ uri: resources[0]?.uri ?? '' })).contents.length).toBe(1);
        expect((await client.listPrompts()).prompts.length).toBeGreaterThan(0);
        const seen: number[] = [];
        const long = { name: 'trigger-long-running-operation', arguments: { duration: 0.2, steps: 4 } };
        const options = { onprogress: ({ progress }: { progress: number }) => void seen.push(progress) };
        await (client.callTool as (...given: unknown[]) => Promise<unknown>).call(
          client,
          long,
          ...(which === 'v1' ? [undefined, options] : [options]),
        );
        expect(seen).toEqual([1, 2, 3, 4]);
      }));
  });

  it.each(['everything', 'everything-shared', 'everything-sse'])('%s asks the client for a sample', (upstream) =>
    using(
      upstream,
      async (client) => {
        expect(await call(client, 'trigger-sampling-request', { prompt: 'say something', maxTokens: 10 })).toContain(`sampled by ${which}`);
      },
      { sampling: () => ({ role: 'assistant', model: 'm', content: { type: 'text', text: `sampled by ${which}` } }) },
    ),
  );

  it('filesystem reads what it may, and nothing else', () =>
    using('filesystem', async (client) => {
      expect(await call(client, 'read_text_file', { path: join(folder, 'note.txt') })).toContain('what stands in the note');
      expect(await call(client, 'read_text_file', { path: '/etc/passwd' })).toMatch(/denied|outside/i);
    }));

  it('memory keeps what was said, for all', () =>
    using('memory', async (client) => {
      const entities = [{ name: `entity of ${which}`, entityType: 'test', observations: ['was seen'] }];
      await call(client, 'create_entities', { entities });
      expect(await call(client, 'read_graph', {})).toContain(`entity of ${which}`);
    }));

  it('sequential-thinking thinks', () =>
    using('thinking', async (client) => {
      const thought = { thought: 'one', nextThoughtNeeded: false, thoughtNumber: 1, totalThoughts: 1 };
      expect(await call(client, 'sequentialthinking', thought)).toContain('thoughtNumber');
    }));
});

describe("servers of a client's own file", () => {
  it('have tools by their annotations, asked for over any transport', async () => {
    for (const [upstream, tool] of [
      ['annotated', 'read_text_file'],
      ['annotated-sse', 'echo'],
    ] as const) {
      const client = await connectV1(`${gate.url}/mcp/${upstream}`, key);
      const names = (await client.listTools()).tools.map(({ name }) => name);
      expect(names).toContain(tool);
      expect(names).not.toContain('write_file');
      const args = tool === 'echo' ? { message: 'hi' } : { path: join(folder, 'note.txt') };
      expect(JSON.stringify(await client.callTool({ name: tool, arguments: args }))).toMatch(/hi|what stands in the note/);
      await expect(client.callTool({ name: 'write_file', arguments: { path: join(folder, 'x'), content: 'x' } })).rejects.toThrow();
      await client.close();
    }
  });
});

it('A10: the SSE server got its own credential and an assertion on every request, and no key', async () => {
  const client = await connectV1(`${gate.url}/mcp/everything-sse`, key);
  expect((await client.listTools()).tools.length).toBeGreaterThan(0);
  await client.close();
  const asked = sse.requests.filter(({ headers }) => headers['x-key'] !== undefined);
  expect(new Set(asked.map(({ method }) => method))).toEqual(new Set(['GET', 'POST']));
  for (const { rawHeaders, body } of sse.requests) expect(`${rawHeaders.join('\n')}${body}`).not.toContain('kg_live_');
  for (const { headers } of asked) expect(headers['x-key']).toBe('the real credential');
});
