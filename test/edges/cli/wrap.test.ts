import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parse } from 'jsonc-parser';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Config } from '../../../src/config/schema.ts';
import { createMemoryAuthority } from '../../support/memory-authority.ts';
import { claudeCode, claudeDesktop, cursor, gemini, secrets, vsCode, windsurf } from './client-files.ts';
import { overAuthority, type Ran, runCommand } from './run-command.ts';

let cwd: string;
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'keygate-wrap-'));
});
afterEach(() => rm(cwd, { recursive: true, force: true }));

const names = ['filesystem', 'github', 'sentry', 'api-server', 'wiki', 'remote', 'httpserver', 'python', 'perplexity', 'docs'];
const upstreams = Object.fromEntries(
  names.map((name) => [name, { name, url: name === 'wiki' ? 'http://127.0.0.1:9001/mcp' : `http://up.test/${name}` }]),
);
const config = { publicUrl: 'https://gate.example', upstreams } as unknown as Config;
const authority = createMemoryAuthority();

async function run(...argv: string[]): Promise<Ran> {
  const ran = await runCommand(argv, {
    cwd,
    readConfig: async () => ({ ok: true, config, warnings: [], sources: [], fetches: false }),
    ...overAuthority(authority),
  });
  for (const secret of secrets) expect(ran.out + ran.err).not.toContain(secret);
  expect(ran.out + ran.err).not.toMatch(/kg_live_\w/);
  return ran;
}

async function put(path: string, text: string): Promise<string> {
  await mkdir(dirname(join(cwd, path)), { recursive: true });
  await writeFile(join(cwd, path), text);
  return join(cwd, path);
}

const bearer = (reference: string) => ({ Authorization: `Bearer ${reference}` });

describe('keygate wrap', () => {
  it.each<[string, string, string, Record<string, unknown>]>([
    [
      'Claude Desktop',
      'claude_desktop_config.json',
      claudeDesktop,
      {
        filesystem: {
          command: 'keygate',
          args: ['connect', 'https://gate.example/mcp/filesystem'],
          env: { AGENT_API_KEY: `\${AGENT_API_KEY}` },
        },
        github: { command: 'keygate', args: ['connect', 'https://gate.example/mcp/github'], env: { AGENT_API_KEY: `\${AGENT_API_KEY}` } },
      },
    ],
    [
      'Claude Code',
      '.mcp.json',
      claudeCode,
      {
        sentry: { type: 'http', url: 'https://gate.example/mcp/sentry', headers: bearer(`\${AGENT_API_KEY}`) },
        'api-server': { type: 'http', url: 'https://gate.example/mcp/api-server', headers: bearer(`\${AGENT_API_KEY}`) },
      },
    ],
    // By its URL, whatever it is called.
    [
      'Cursor',
      '.cursor/mcp.json',
      cursor,
      { 'My Docs': { url: 'https://gate.example/mcp/wiki', headers: bearer(`\${env:AGENT_API_KEY}`) } },
    ],
    [
      'Windsurf',
      'mcp_config.json',
      windsurf,
      { remote: { serverUrl: 'https://gate.example/mcp/remote', headers: bearer(`\${env:AGENT_API_KEY}`) } },
    ],
    [
      'Gemini',
      'settings.json',
      gemini,
      {
        httpServer: { httpUrl: 'https://gate.example/mcp/httpserver', headers: bearer(`\${AGENT_API_KEY}`), timeout: 5000 },
        python: {
          command: 'keygate',
          args: ['connect', 'https://gate.example/mcp/python'],
          env: { AGENT_API_KEY: `\${AGENT_API_KEY}` },
          trust: true,
        },
      },
    ],
  ])('%s', async (_name, file, text, expected) => {
    const path = await put(file, text);
    await chmod(path, 0o640);
    const ran = await run('wrap', file, '--yes');
    expect(ran.code).toBe(0);
    const after = await readFile(path, 'utf8');
    expect(parse(after, [], { allowTrailingComma: true }).mcpServers).toEqual(expected);
    for (const secret of secrets.filter((one) => one !== 'postgres-pw')) expect(after).not.toContain(secret);
    expect((await stat(path)).mode & 0o777).toBe(0o640);
    expect((await stat(`${path}.keygate-backup`)).mode & 0o777).toBe(0o640);
    // Again: nothing to do, and the first backup stays.
    const again = await run('wrap', file, '--yes');
    expect(again.code).toBe(0);
    expect(again.out).toContain('nothing to do');
    expect(await readFile(path, 'utf8')).toBe(after);
    expect((await run('wrap', file, '--undo')).code).toBe(0);
    expect(await readFile(path, 'utf8')).toBe(text);
    expect(await run('wrap', file, '--undo')).toMatchObject({ code: 1 });
  });

  it('VS Code: servers that are no upstreams are told and left as they are', async () => {
    const path = await put('.vscode/mcp.json', vsCode);
    const ran = await run('wrap', '.vscode/mcp.json', '--yes', '--json');
    expect(ran.document()).toMatchObject({
      written: true,
      servers: [
        { server: 'perplexity', upstream: 'perplexity' },
        { server: 'local', skipped: expect.stringContaining('import it first') },
        { server: 'docs', upstream: 'docs', url: 'https://gate.example/mcp/docs' },
      ],
    });
    const { servers, inputs } = parse(await readFile(path, 'utf8'));
    expect(servers.local).toEqual({ type: 'stdio', command: 'node', args: [`\${workspaceFolder}/server.js`] });
    expect(servers.docs.headers).toEqual(bearer(`\${env:AGENT_API_KEY}`));
    expect(inputs).toHaveLength(1);
  });

  it('keeps comments and indentation', async () => {
    const path = await put('.cursor/mcp.json', cursor);
    await run('wrap', '.cursor/mcp.json', '--yes');
    const after = await readFile(path, 'utf8');
    expect(after).toContain('// the wiki');
    expect(after).toContain('\n\t\t\t"headers": {');
  });

  it('shows a diff and writes nothing without --yes', async () => {
    await put('.mcp.json', claudeCode);
    const ran = await run('wrap', '.mcp.json');
    expect(ran.code).toBe(0);
    expect(ran.out).toContain('-      "url": "https://mcp.sentry.dev/mcp"');
    expect(ran.out).toContain('+      "url": "https://gate.example/mcp/sentry",');
    expect(ran.out).toContain('nothing was written');
    expect(await readdir(cwd)).toEqual(['.mcp.json']);
  });

  it('mints nothing unless told, and then one narrow key, which only the file shows', async () => {
    const path = await put('.cursor/mcp.json', cursor);
    const before = authority.records.size;
    await run('wrap', '.cursor/mcp.json', '--mint');
    await run('wrap', '.cursor/mcp.json', '--yes');
    await run('wrap', '.cursor/mcp.json', '--undo');
    expect(authority.records.size).toBe(before);
    const ran = await run('wrap', '.cursor/mcp.json', '--yes', '--mint');
    expect(ran.code).toBe(0);
    const record = [...authority.records.values()].at(-1);
    expect(record).toMatchObject({ scopes: ['read:wiki'], upstreams: ['wiki'] });
    const text = await readFile(path, 'utf8');
    expect(text.match(/Bearer kg_live_/g)).toHaveLength(1);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it('a file of which nothing can be wrapped is refused, and wrong usage is 2', async () => {
    await put('x.json', '{"mcpServers":{"unknown":{"url":"http://elsewhere/mcp"}}}');
    expect(await run('wrap', 'x.json', '--yes')).toMatchObject({ code: 1 });
    expect(await run('wrap', 'none.json')).toMatchObject({ code: 1 });
    expect(await run('wrap')).toMatchObject({ code: 2 });
  });
});
