import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { folderWith, secrets } from './folder.ts';

async function load(file: object, env: Record<string, string> = {}) {
  const folder = folderWith({ ...secrets, 'client.json': JSON.stringify(file) });
  return loadConfig({ file: 'client.json', env, cwd: folder.path });
}

async function upstreams(file: object, env: Record<string, string> = {}) {
  const loaded = await load(file, env);
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  return loaded.config.upstreams;
}

describe('importClient', () => {
  it('makes an upstream of a server as Claude and Cursor write it', async () => {
    const file = {
      mcpServers: { 'GitHub (work)': { type: 'http', url: 'https://mcp.example.com/mcp', headers: { Authorization: 'Bearer ${TOKEN}' } } },
    };
    const read = (scope: string, match: string) => ({ match: [match], scopes: [scope], price: 0, limits: [], stepUp: false });
    expect(await upstreams(file, { TOKEN: 'secret' })).toMatchObject({
      'github-work': {
        name: 'github-work',
        url: 'https://mcp.example.com/mcp',
        transport: 'http',
        environment: 'live',
        credentials: [{ header: 'authorization', value: 'Bearer secret' }],
        tools: 'annotations',
        resources: [read('read:github-work', '**')],
        prompts: [read('read:github-work', '*')],
        methods: [],
        denials: 'jsonrpc',
        protocol: 'auto',
        pinning: { mode: 'first-sight', onChange: { schema: 'quarantine', annotations: 'quarantine', wording: 'report' } },
      },
    });
  });

  it('reads the members that Windsurf, Gemini and VS Code use', async () => {
    const windsurf = await upstreams({ mcpServers: { a: { serverUrl: 'http://h/w' } } });
    const gemini = await upstreams({ mcpServers: { a: { httpUrl: 'http://h/g', url: 'http://h/sse', timeout: 5, trust: true } } });
    const code = await upstreams({ inputs: [], servers: { a: { type: 'http', url: 'http://h/${env:P}' } } }, { P: 'v' });
    expect([windsurf, gemini, code].map((read) => read.a?.url)).toEqual(['http://h/w', 'http://h/g', 'http://h/v']);
  });

  it("honours keygate's own members beside the servers and ignores the client's", async () => {
    const loaded = await load({
      numStartups: 3,
      theme: '${NOT_SET}',
      listen: { mcp: '127.0.0.1:9999' },
      limits: { streamsMax: 7 },
      upstreams: { own: { url: 'http://h/own', tools: 'annotations' } },
      mcpServers: { a: { url: 'http://h/a', env: { X: '${NOT_SET}' }, alwaysAllow: ['x'] } },
    });
    expect(loaded).toMatchObject({
      ok: true,
      config: { listen: { mcp: { port: 9999 } }, limits: { streamsMax: 7 }, upstreams: { own: {}, a: {} } },
    });
  });

  it("still finds mistakes in keygate's own members, where they were written", async () => {
    const loaded = await load({ limits: { streamMax: 7 }, mcpServers: { a: { url: 'ftp://h', headers: { 'X-Key': 5 } } } });
    expect(loaded).toMatchObject({
      ok: false,
      problems: [
        { path: 'limits.streamMax', hint: 'did you mean streamsMax?' },
        { path: 'mcpServers.a.url', message: 'must be an http or https URL' },
        { path: 'mcpServers.a.headers.X-Key', message: 'must be a string' },
      ],
    });
  });

  it('reports a name that is taken by an upstream of its own', async () => {
    const loaded = await load({ upstreams: { a: { url: 'http://h' } }, mcpServers: { A: { url: 'http://h' } } });
    expect(loaded).toMatchObject({
      ok: false,
      problems: [{ path: 'mcpServers.A', message: 'becomes the upstream a, a name that is taken' }],
    });
  });

  it('leaves out disabled servers and headers that keygate sets itself, and says so', async () => {
    const loaded = await load(
      {
        mcpServers: {
          off: { command: 'x', disabled: true },
          on: { url: 'http://h', headers: { 'Content-Type': 'application/json', 'X-Key': '${K}' } },
        },
      },
      { K: 'k' },
    );
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
    expect(Object.keys(loaded.config.upstreams)).toEqual(['on']);
    expect(loaded.config.upstreams.on?.credentials).toEqual([{ header: 'x-key', value: 'k' }]);
    expect(loaded.warnings.map(({ path, message }) => `${path} ${message}`)).toEqual([
      'mcpServers.off is disabled in this file and was left out',
      'mcpServers.on.headers.Content-Type was left out: keygate sets this header itself',
    ]);
  });

  it('warns of a secret that a client keeps in plain text', async () => {
    const loaded = await load({ mcpServers: { a: { url: 'http://h', headers: { 'X-Key': 'hunter2' } } } });
    expect(loaded).toMatchObject({
      ok: true,
      warnings: [{ path: 'mcpServers.a.headers.X-Key', message: 'is a secret written in this file' }],
    });
  });

  it('`servers` beside `upstreams` is an unknown setting, not a client file', async () => {
    const loaded = await load({ upstreams: { a: { url: 'http://h' } }, servers: { b: { url: 'http://h' } } });
    expect(loaded).toMatchObject({ ok: false, problems: [{ path: 'servers', message: 'is not a known setting' }] });
  });
});
