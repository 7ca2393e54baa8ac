import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { compilePolicy } from '../../src/config/compile-policy.ts';
import { loadConfig } from '../../src/config/load.ts';
import { folderWith, secrets } from './folder.ts';

async function load(file: object, env: Record<string, string> = {}) {
  const folder = folderWith({ ...secrets, 'keygate.json': JSON.stringify(file) });
  const loaded = await loadConfig({ file: 'keygate.json', env, cwd: folder.path });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  return { ...loaded, path: folder.path };
}

const children = {
  ...{ process: 'session', idleMs: 600_000, startTimeoutMs: 30_000, stopGraceMs: 2_000 },
  ...{ childrenMax: 32, childrenPerKeyMax: 8, killWithGateway: false },
};

describe('an upstream that is started by a command', () => {
  it('has its limits by default, and its folder made absolute', async () => {
    const { config, path } = await load({ upstreams: { wiki: { command: 'sh', cwd: 'docs' } } });
    expect(config.upstreams['wiki']).toMatchObject({
      ...{ url: 'stdio:wiki', transport: 'stdio', credentials: [] },
      stdio: { command: { file: 'sh', args: [], env: {}, cwd: join(path, 'docs') }, children },
    });
  });

  it('takes values of arguments and environment from elsewhere, as they are', async () => {
    const upstream = { command: 'sh', args: ['--token', '${env:TOKEN}'], env: { TOKEN: '${TOKEN}', EMPTY: '' } };
    const { config } = await load({ upstreams: { wiki: upstream } }, { TOKEN: 'a: b\n$(c)' });
    const { command } = config.upstreams['wiki']?.stdio ?? {};
    expect(command).toMatchObject({ args: ['--token', 'a: b\n$(c)'], env: { TOKEN: 'a: b\n$(c)', EMPTY: '' } });
  });

  it('reads how its children are run', async () => {
    const stdio = { process: 'shared', idleMs: '1m', startTimeoutMs: 500, stopGraceMs: '1s', childrenMax: 2, childrenPerKeyMax: 1 };
    const { config } = await load({ upstreams: { wiki: { command: 'sh', transport: 'stdio', stdio } } });
    const expected = { ...children, ...stdio, idleMs: 60_000, stopGraceMs: 1_000 };
    expect(config.upstreams['wiki']?.stdio?.children).toEqual(expected);
    const compiled = compilePolicy(config, () => ({ source: '', holds: () => true })).upstreams.get('wiki');
    expect(compiled).toMatchObject({ transport: 'stdio', url: 'stdio:wiki', credentials: [], children: expected });
  });

  it('is warned of where nothing can be started, and of a secret written down', async () => {
    const folder = folderWith({});
    const program = join(folder.path, 'here');
    writeFileSync(program, '#!/bin/sh\n');
    const upstreams = {
      found: { command: program, tools: 'annotations' },
      unreadable: { command: './here', cwd: folder.path, tools: 'annotations', env: { API_KEY: 'hunter2hunter2', MODE: 'fast' } },
      missing: { command: 'keygate-no-such-program', tools: 'annotations' },
      homeless: { command: 'sh', cwd: './nowhere', tools: 'annotations' },
    };
    chmodSync(program, 0o600);
    const before = await load({ upstreams: { found: upstreams.found } });
    chmodSync(program, 0o700);
    const { warnings } = await load({ upstreams });
    const told = (problems: typeof warnings) => problems.map(({ path, message }) => `${path} ${message}`);
    expect(told(before.warnings)).toEqual(['upstreams.found.command is not a program that can be started here']);
    expect(told(warnings)).toEqual([
      'upstreams.unreadable.env.API_KEY is a secret written in this file',
      'upstreams.missing.command is not a program that can be started here',
      'upstreams.homeless.cwd is not a folder here',
    ]);
    expect(JSON.stringify(warnings)).not.toContain('hunter2');
  });
});

describe("a client's own file", () => {
  it('is accepted with servers that are started by commands, as Claude and Cursor write them', async () => {
    const files = { command: 'sh', args: ['-c', 'files', '/data'], env: { TOKEN: '${T}' }, cwd: '/', alwaysAllow: ['x'] };
    const { config } = await load({ mcpServers: { 'My Files': files } }, { T: 'secret' });
    expect(config.upstreams['my-files']).toMatchObject({
      transport: 'stdio',
      tools: 'annotations',
      resources: [{ match: ['**'], scopes: ['read:my-files'] }],
      stdio: { command: { file: 'sh', args: ['-c', 'files', '/data'], env: { TOKEN: 'secret' }, cwd: '/' } },
    });
  });

  it('is accepted as VS Code writes it; a file of variables is not read, which is said', async () => {
    const { config, warnings } = await load({ servers: { a: { type: 'stdio', command: 'sh', envFile: '.env' } } });
    expect(config.upstreams['a']?.stdio?.command.file).toBe('sh');
    expect(warnings).toMatchObject([{ path: 'servers.a.envFile', message: 'is not read: the child gets nothing of it' }]);
  });

  it('is accepted with servers of the older transport', async () => {
    const { config } = await load(
      { mcpServers: { old: { type: 'sse', url: 'http://127.0.0.1:9001/sse', headers: { 'X-Key': '${K}' } } } },
      { K: 'k' },
    );
    expect(config.upstreams['old']).toMatchObject({
      ...{ transport: 'sse', url: 'http://127.0.0.1:9001/sse', credentials: [{ header: 'x-key', value: 'k' }] },
    });
  });
});
