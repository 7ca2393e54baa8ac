import { copyFile, open, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { upstreamConfig } from '../support/gateway.ts';
import { post, toolCall } from '../support/post.ts';
import { type RecordingUpstream, startRecordingUpstream } from '../support/recording-upstream.ts';
import { type Place, preparePlace, type Served } from './served.ts';
import { openStream } from './stream.ts';

/** I3: the streams of a dead key are cut within a second. */
const cutMsMax = 1_000;

const closers: (() => Promise<void>)[] = [];
let upstream: RecordingUpstream;
let place: Place;
beforeEach(async () => {
  upstream = await startRecordingUpstream({ sessions: false });
  closers.push(() => upstream.close());
  place = await preparePlace({ upstreams: { up: upstreamConfig(upstream.url) } });
  closers.push(() => place.remove());
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

describe('beside a running gateway', () => {
  it('a second gateway is refused, the command line is not, and the first one goes on (A59)', async () => {
    const gate = await place.serve();
    const second = await place.cli('serve');
    expect(second.code).toBe(1);
    expect(second.stderr).toContain(`Another gateway (process ${gate.pid}) is serving from this store`);
    expect(second.stderr).not.toMatch(/\n\s+at /);
    const listed = await place.cli('keys', 'list', '--json');
    expect(listed.code).toBe(0);
    expect((JSON.parse(listed.stdout) as { data: unknown[] }).data).toHaveLength(1); // the operator
    expect((await fetch(`${gate.adminUrl}/readyz`)).status).toBe(200);

    // A gateway that was killed holds nothing: its claim died with it.
    gate.kill('SIGKILL');
    await gate.exited;
    const next = await place.serve();
    expect((await fetch(`${next.adminUrl}/readyz`)).status).toBe(200);
  });

  it('a key minted by the command line works at once; one revoked is refused at once and its stream is cut (I3)', async () => {
    const gate = await place.serve();
    const minted = await place.cli('keys', 'mint', '--name', 'from outside', '--scope', 'read:up', '--json');
    const { key, id } = JSON.parse(minted.stdout) as { key: string; id: string };
    expect((await call(gate, key)).json.result).toBeDefined();
    const other = await place.mint({ scopes: ['read:up'] });
    const stream = await openStream(`${gate.mcpUrl}/mcp/up`, key);
    const unharmed = await openStream(`${gate.mcpUrl}/mcp/up`, other.key);
    await upstream.received(2, ({ method }) => method === 'GET');

    expect(await place.cli('keys', 'revoke', id, '--reason', 'a test')).toMatchObject({ code: 0 });
    expect(await call(gate, key)).toMatchObject({ status: 401, json: { error: { data: { reason: 'TOKEN_REVOKED' } } } });
    const [revoked] = await place.journal('key.revoked');
    expect((await stream.ended) - Date.parse(String(revoked?.time))).toBeLessThan(cutMsMax);
    upstream.push({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 'only-for-the-living' } });
    await unharmed.received('only-for-the-living');
    expect(stream.text()).not.toContain('only-for-the-living');
    unharmed.close();
  });

  it('a stream ends when its key expires (A35)', async () => {
    const gate = await place.serve();
    const ttlMs = 2_000;
    const { key, id } = await place.mint({ scopes: ['read:up'], ttl: `${ttlMs / 1_000}s` });
    const stream = await openStream(`${gate.mcpUrl}/mcp/up`, key);
    expect(stream.status).toBe(200);
    const expiresAt = await place.open(async ({ keyring }) => (await keyring.get(id))?.expiresAt ?? Number.NaN);
    const endedAt = await stream.ended;
    expect(endedAt).toBeGreaterThanOrEqual(expiresAt);
    expect(endedAt - expiresAt).toBeLessThan(cutMsMax);
    expect(await call(gate, key)).toMatchObject({ status: 401, json: { error: { data: { reason: 'TOKEN_EXPIRED' } } } });
  });
});

describe('a store that is not sound, or not of this configuration', () => {
  it('a torn data file is refused in words, and left as it is (A59)', async () => {
    const file = join(place.folder, 'var/store/data.mdb');
    await truncate(file, Math.floor((await stat(file)).size / 2) + 100);
    const torn = await readFile(file);
    for (const command of [['serve'], ['keys', 'list']]) {
      const refused = await place.cli(...command);
      expect(refused.code).toBe(1);
      expect(refused.stderr).toContain(`The store file ${file} is damaged`);
      expect(refused.stderr).toContain('Restore the store from a backup');
      expect(refused.stderr).not.toMatch(/\n\s+at /);
    }
    expect(await readFile(file)).toEqual(torn);
  });

  it('a data file that is gone is not replaced by an empty one', async () => {
    const file = join(place.folder, 'var/store/data.mdb');
    await rm(file);
    const refused = await place.cli('serve');
    expect(refused).toMatchObject({ code: 1 });
    expect(refused.stderr).toContain(`The store file ${file} is damaged: it is gone`);
  });

  it('another pepper than the one the store was made with is refused', async () => {
    const pepper = join(place.folder, 'var/pepper');
    await copyFile(pepper, `${pepper}.kept`);
    await writeFile(pepper, 'x'.repeat(43));
    const refused = await place.cli('serve');
    expect(refused).toMatchObject({ code: 1 });
    expect(refused.stderr).toContain('The pepper configured is not the one that this store was made with');
    expect(refused.stderr).not.toContain('xxx');
    await copyFile(`${pepper}.kept`, pepper);
    await place.serve();
  });
});

describe('an exported journal', () => {
  it('one byte changed is found and located; a cut tail is found with checkpoints kept elsewhere (A60)', async () => {
    const gate = await place.serve();
    const { key } = await place.mint({ scopes: ['read:up'] });
    for (let n = 0; n < 12; n += 1) expect((await call(gate, key, `tool_${n}`)).json.result).toBeDefined();
    gate.kill();
    await gate.exited;
    const file = join(place.folder, 'export.jsonl');
    expect(await place.cli('journal', 'export', '--output', file)).toMatchObject({ code: 0 });
    expect(await place.cli('journal', 'verify', file)).toMatchObject({ code: 0 });

    const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
    const at = lines.findIndex((line) => line.includes('"tool_7"'));
    const { seq } = JSON.parse(lines[at] ?? '{}') as { seq: number };
    const offset = Buffer.byteLength(`${lines.slice(0, at).join('\n')}\n`) + (lines[at] ?? '').indexOf('tool_7');
    const edited = await copied(file, 'edited.jsonl');
    const handle = await open(edited, 'r+');
    await handle.write('T', offset);
    await handle.close();
    const found = await place.cli('journal', 'verify', edited, '--json');
    expect(found.code).toBe(1);
    expect(JSON.parse(found.stdout)).toMatchObject({ ok: false, faults: [{ seq, problem: expect.stringContaining('changed') }] });

    // Whoever cuts the tail of an export takes its checkpoints along; those beside the store still speak of it.
    const records = lines.filter((line) => !line.startsWith('{"checkpoint"'));
    const cut = join(place.folder, 'cut.jsonl');
    await writeFile(cut, `${records.slice(0, -3).join('\n')}\n`);
    expect(await place.cli('journal', 'verify', cut)).toMatchObject({ code: 0 });
    const checkpoints = join(place.folder, 'var/checkpoints.jsonl');
    const missed = await place.cli('journal', 'verify', cut, '--checkpoints', checkpoints, '--json');
    expect(missed.code).toBe(1);
    const { faults } = JSON.parse(missed.stdout) as { faults: { problem: string }[] };
    expect(faults.map(({ problem }) => problem).join()).toContain('the tail is missing');
  });
});

async function copied(file: string, name: string): Promise<string> {
  const copy = join(place.folder, name);
  await copyFile(file, copy);
  return copy;
}

function call(gate: Served, key: string, tool = 'any_tool') {
  return post(`${gate.mcpUrl}/mcp/up`, { key, body: toolCall(tool) });
}
