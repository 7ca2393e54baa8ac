import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { loadConfig } from '../../../src/config/load.ts';
import { claudeCode, claudeDesktop, cursor, gemini, secrets, vsCode, windsurf } from './client-files.ts';
import { type Ran, runCommand } from './run-command.ts';

let cwd: string;
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'keygate-import-'));
});
afterEach(() => rm(cwd, { recursive: true, force: true }));

const config = () => join(cwd, 'config', 'keygate.yaml');

async function put(path: string, text: string): Promise<void> {
  await mkdir(dirname(join(cwd, path)), { recursive: true });
  await writeFile(join(cwd, path), text);
}

async function run(...argv: string[]): Promise<Ran> {
  const ran = await runCommand(argv, { cwd, readConfig: ({ configFile }) => loadConfig({ file: configFile, env: {}, cwd }) });
  for (const secret of secrets) expect(ran.out + ran.err).not.toContain(secret);
  return ran;
}

async function importText(text: string, ...more: string[]): Promise<{ ran: Ran; upstreams: Record<string, Record<string, unknown>> }> {
  await put('client.json', text);
  const ran = await run('import', 'client.json', '--yes', ...more);
  const written = await readFile(config(), 'utf8');
  for (const secret of secrets) expect(written).not.toContain(secret);
  return { ran, upstreams: parse(written).upstreams };
}

const grants = (name: string) => ({
  tools: 'annotations',
  resources: [{ match: '**', scope: `read:${name}` }],
  prompts: [{ match: '*', scope: `read:${name}` }],
});

describe('keygate import', () => {
  it('Claude Desktop: commands, with secrets of environment and arguments in files of their own', async () => {
    const { upstreams } = await importText(claudeDesktop);
    expect(upstreams).toEqual({
      filesystem: { command: 'npx', args: ['-y', '@modelcontextprotocol/server-filesystem', '/home/me/Desktop'], ...grants('filesystem') },
      github: {
        command: 'docker',
        args: [
          ...['run', '-i', '--rm', '-e', 'GITHUB_PERSONAL_ACCESS_TOKEN', 'ghcr.io/github/github-mcp-server', '--api-token'],
          `\${file:./config/secrets/github.argument-8}`,
        ],
        env: { GITHUB_PERSONAL_ACCESS_TOKEN: `\${file:./config/secrets/github.github_personal_access_token}`, LOG_LEVEL: 'debug' },
        ...grants('github'),
      },
    });
    const file = join(cwd, 'config/secrets/github.github_personal_access_token');
    expect(await readFile(file, 'utf8')).toBe('ghp_claudeclaudeclaude\n');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await stat(dirname(file))).mode & 0o777).toBe(0o700);
  });

  it('Claude Code: references stay references, legacy SSE says so, and nothing else of the file is taken', async () => {
    const { upstreams } = await importText(claudeCode);
    expect(upstreams).toEqual({
      sentry: { url: 'https://mcp.sentry.dev/mcp', ...grants('sentry') },
      'api-server': {
        url: `\${API_BASE_URL:-https://api.example.com}/sse`,
        transport: 'sse',
        credential: [{ header: 'authorization', value: `Bearer \${API_KEY}` }],
        ...grants('api-server'),
      },
    });
  });

  it('Cursor and Windsurf: URLs, whose headers become credentials; a scheme stays in view', async () => {
    expect((await importText(cursor)).upstreams['my-docs']).toEqual({
      url: 'http://127.0.0.1:9001/mcp',
      credential: [{ header: 'api_key', value: `\${file:./config/secrets/my-docs.api_key}` }],
      ...grants('my-docs'),
    });
    expect((await importText(windsurf)).upstreams.remote?.credential).toEqual([
      { header: 'authorization', value: `Bearer \${file:./config/secrets/remote.authorization}` },
    ]);
  });

  it('Gemini and VS Code: variables without braces and inputs become variables; what only the client knows is left out', async () => {
    const first = await importText(gemini);
    expect(first.upstreams.httpserver?.url).toBe('http://localhost:3000/mcp');
    expect(first.upstreams.python).toMatchObject({ command: 'python', cwd: './server', env: { DATABASE_URL: `\${env:DB_URL}` } });
    const second = await importText(vsCode);
    expect(second.upstreams.perplexity).toMatchObject({ env: { PERPLEXITY_API_KEY: `\${env:PERPLEXITY_KEY}` } });
    expect(second.upstreams.local).toBeUndefined();
    expect(second.ran.out).toContain('local: uses ${workspaceFolder}, which only its client knows');
    expect(second.ran.out).toContain('set the environment variable PERPLEXITY_KEY');
  });

  it('a service whose key is part of its address: the whole address is a secret', async () => {
    const secret = 'https://mcp.example.com/api/s/ABCDEFGHIJKLMNOPQRSTUVWXYZ123456/mcp';
    const { ran, upstreams } = await importText(JSON.stringify({ mcpServers: { zap: { url: secret } } }));
    expect(upstreams.zap?.url).toBe(`\${file:./config/secrets/zap.url}`);
    expect(ran.out).not.toContain('ABCDEFGHIJKL');
  });

  it('what is imported is a configuration that keygate takes, and its secrets are found', async () => {
    const { ran } = await importText(cursor);
    expect(ran.code).toBe(0);
    const env = { P: 'p'.repeat(40) };
    const text = await readFile(config(), 'utf8');
    await writeFile(config(), `${text}keys: { pepper: "\${P}", seal: "\${P}", signing: '{"keys":[{"kty":"EC"}]}' }\n`);
    const loaded = await loadConfig({ file: config(), env, cwd });
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
    expect(loaded.config.upstreams['my-docs']?.credentials).toEqual([{ header: 'api_key', value: 'sk-cursor-0123456789' }]);
  });

  it('shows what would change and writes nothing without --yes', async () => {
    await put('client.json', cursor);
    const ran = await run('import', 'client.json');
    expect(ran.code).toBe(0);
    expect(ran.out).toContain('+     url: http://127.0.0.1:9001/mcp');
    expect(ran.out).toContain('nothing was written: run again with --yes');
    expect(await readdir(cwd)).toEqual(['client.json']);
    const json = await run('import', 'client.json', '--json');
    expect(json.document()).toMatchObject({
      written: false,
      servers: [{ server: 'My Docs', upstream: 'my-docs' }],
      secretFiles: [expect.stringContaining('my-docs.api_key')],
    });
  });

  it('keeps comments and settings, shows none of them, and is undone byte for byte', async () => {
    const before = `# our gateway\nlisten: { mcp: "127.0.0.1:9090" }   # public\nupstreams:\n  # the first one\n  old:\n    url: http://127.0.0.1:1/mcp\n    credential: { header: x-key, value: "postgres-pw" }\nscopes: { hierarchy: [read] }\n`;
    await put('config/keygate.yaml', before);
    await put('client.json', cursor);
    expect((await run('import', 'client.json', '--yes')).code).toBe(0);
    const after = await readFile(config(), 'utf8');
    for (const kept of ['# our gateway', '# public', '# the first one', 'postgres-pw']) expect(after).toContain(kept);
    expect(Object.keys(parse(after).upstreams)).toEqual(['old', 'my-docs']);
    const again = await run('import', 'client.json', '--yes');
    expect({ code: again.code, out: again.out }).toEqual({ code: 0, out: 'My Docs: is there already\nnothing to do\n' });
    expect(await readFile(config(), 'utf8')).toBe(after);
    expect((await run('import', '--undo')).code).toBe(0);
    expect(await readFile(config(), 'utf8')).toBe(before);
    expect(await run('import', '--undo')).toMatchObject({ code: 1 });
  });

  it('a configuration in JSON with comments keeps them', async () => {
    await put('keygate.jsonc', '{\n  // mine\n  "upstreams": {}\n}\n');
    await put('client.json', windsurf);
    const ran = await run('import', 'client.json', '--yes', '--config', 'keygate.jsonc');
    expect(ran.code).toBe(0);
    const text = await readFile(join(cwd, 'keygate.jsonc'), 'utf8');
    expect(text).toContain('  // mine\n');
    expect(text).toContain('"remote": {');
  });

  it.each<[string, string, string]>([
    ['a name that is taken', '{"mcpServers":{"old":{"url":"http://h/2"}}}', 'finds the name old taken'],
    ['a name that no upstream can have', '{"mcpServers":{"MCP":{"url":"http://h/2"}}}', 'has a name that no upstream can have'],
    ['a secret in a URL', '{"mcpServers":{"a":{"url":"http://h/mcp?key=sk-cursor-0123456789"}}}', 'carries something in its URL'],
    ['neither URL nor command', '{"mcpServers":{"a":{}}}', 'has neither a URL nor a command'],
    ['a server that is switched off', '{"mcpServers":{"a":{"url":"http://h/2","disabled":true}}}', 'is disabled'],
  ])('%s is told and left out', async (_name, text, said) => {
    await put('config/keygate.yaml', 'upstreams: { old: { url: "http://h/1" } }\n');
    await put('client.json', text);
    const ran = await run('import', 'client.json', '--yes');
    expect(ran.code).toBe(1);
    expect(ran.out).toContain(said);
    expect(await readFile(config(), 'utf8')).toBe('upstreams: { old: { url: "http://h/1" } }\n');
  });

  it('a file that is none fails without showing it, and wrong usage is 2', async () => {
    await put('client.json', '{"mcpServers": {"a": sk-cursor-0123456789');
    expect(await run('import', 'client.json')).toMatchObject({ code: 1, out: '' });
    await put('client.json', '{"other": 1}');
    expect((await run('import', 'client.json')).err).toContain('neither mcpServers nor servers');
    expect(await run('import', 'none.json')).toMatchObject({ code: 1 });
    expect(await run('import')).toMatchObject({ code: 2 });
    expect(await run('import', 'client.json', '--what')).toMatchObject({ code: 2 });
  });
});
