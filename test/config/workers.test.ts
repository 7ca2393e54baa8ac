import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { shareOf } from '../../src/config/share.ts';
import { folderWith, secrets } from './folder.ts';

const wiki = 'upstreams: { wiki: { url: "http://127.0.0.1:9001/mcp" } }\n';

async function load(text: string, options: { workers?: number; cores?: number; env?: Record<string, string> } = {}) {
  const folder = folderWith({ ...secrets, 'keygate.yaml': text });
  return await loadConfig({ file: 'keygate.yaml', cwd: folder.path, env: {}, ...options });
}

async function workers(text: string, options: Parameters<typeof load>[1] = {}): Promise<number> {
  const loaded = await load(text, options);
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  return loaded.config.workers;
}

describe('workers', () => {
  it('is one where nothing is said, one for each core where it is 0, and what the command line says where that says it', async () => {
    expect(await workers(wiki)).toBe(1);
    expect(await workers(`workers: 3\n${wiki}`)).toBe(3);
    expect(await workers(`workers: "\${N}"\n${wiki}`, { env: { N: '5' } })).toBe(5);
    expect(await workers(`workers: 0\n${wiki}`, { cores: 6 })).toBe(6);
    expect(await workers(`workers: 3\n${wiki}`, { workers: 0, cores: 1 })).toBe(1);
    expect(await workers(`workers: 3\n${wiki}`, { workers: 2 })).toBe(2);
  });

  it('is judged by how many there really are', async () => {
    const stdio = 'workers: 1\nupstreams: { wiki: { command: node } }\n';
    expect(await workers(stdio)).toBe(1);
    const several = await load(stdio, { workers: 0, cores: 4 });
    expect(several.ok ? [] : several.problems.map(({ path }) => path)).toEqual(['upstreams.wiki.command']);
    const written = stdio.replace('workers: 1', 'workers: 4');
    expect((await load(written)).ok).toBe(false);
    expect(await workers(written, { workers: 1 })).toBe(1);
  });
});

describe('shareOf', () => {
  it('divides what is of the gateway as a whole, never giving out more, and nothing else', async () => {
    const loaded = await load(`workers: 3\nlimits: { streamsMax: 10 }\n${wiki}`);
    if (!loaded.ok) throw new Error('refused');
    const { config } = loaded;
    const share = shareOf(structuredClone(config));
    expect(share.limits).toMatchObject({ streamsMax: 3, requestsMax: 666, streamsPerKeyMax: 33, connectionsMax: 3_333 });
    const { bodyBytesMax, failedAuthPerMinuteMax, batchMax } = config.limits;
    expect(share.limits).toMatchObject({ bodyBytesMax, failedAuthPerMinuteMax, batchMax });
    expect(share.upstreams['wiki']?.limits).toEqual({ concurrencyMax: 85, queueMax: 333, connectionsMax: 85 });
    // What was sent to another process still has no names that nobody configured.
    for (const named of [share.upstreams, share.agents, share.bots]) expect(named['constructor']).toBeUndefined();
    expect(share.store).toEqual(config.store);
  });
});
