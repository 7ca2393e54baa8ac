import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, expect, it } from 'vitest';
import { upstreamConfig } from '../support/gateway.ts';
import { post, toolCall } from '../support/post.ts';
import { startRecordingUpstream } from '../support/recording-upstream.ts';
import { preparePlace } from './served.ts';
import { readTrace } from './trace.ts';

/** Everything that node and LMDB can read, write or sync with, io_uring apart, which is switched off. */
const traced = 'openat,read,readv,recvfrom,recvmsg,write,writev,pwrite64,pwritev,sendto,sendmsg,fsync,fdatasync,msync,sync_file_range';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

beforeAll(() => {
  if (spawnSync('strace', ['--version']).error !== undefined) install();
  const tried = spawnSync('strace', ['-f', '-e', 'trace=fsync', process.execPath, '--version'], { encoding: 'utf8' });
  // Without a trace nothing is proven, so this is a failure and not a skip.
  if (tried.status !== 0) throw new Error(`strace may not trace here (ptrace is not permitted?): ${tried.stderr}`);
});

it('between reading a call and the first byte to the upstream, the store is synced to the disk (I1)', async () => {
  const upstream = await startRecordingUpstream({ sessions: false });
  closers.push(() => upstream.close());
  const place = await preparePlace({ upstreams: { up: upstreamConfig(upstream.url) } });
  closers.push(() => place.remove());
  const { key } = await place.mint({ scopes: ['read:up'] });
  // Not in the gateway's folder: it watches that, and each line of the trace would wake it and be traced again.
  const elsewhere = await mkdtemp(join(tmpdir(), 'keygate-trace-'));
  closers.push(() => rm(elsewhere, { recursive: true }));
  const file = join(elsewhere, 'trace');
  // -yy names files and sockets; commits happen in other threads, hence -f; -s shows a whole request.
  const strace = ['strace', '-f', '-ttt', '-T', '-yy', '-e', `trace=${traced}`, '-s', '4096', '-o', file];
  const gate = await place.serve({ under: strace, env: { UV_USE_IO_URING: '0' } });
  const call = toolCall('traced_tool', { mark: 'the-traced-call' });
  const answer = await post(`${gate.mcpUrl}/mcp/up`, { key, body: call });
  expect(answer.json.result, answer.text).toBeDefined();
  gate.kill();
  await gate.exited;

  const calls = readTrace(await readFile(file, 'utf8'));
  const client = `<TCP:[127.0.0.1:${new URL(gate.mcpUrl).port}->`;
  const toUpstream = `->127.0.0.1:${upstream.port}]>`;
  const read = calls.findLast(({ name, text }) => /^(?:read|recv)/.test(name) && text.includes(client) && text.includes('the-traced-call'));
  const sent = calls.find(({ name, text }) => isWrite(name) && text.includes(toUpstream) && text.includes('the-traced-call'));
  if (!read || !sent) throw new Error(`the trace shows no ${read ? 'write to the upstream' : 'read of the request'}`);
  expect(calls.filter(({ name, text, beganAt }) => isWrite(name) && text.includes(toUpstream) && beganAt < sent.beganAt)).toEqual([]);

  const between = calls.filter(({ beganAt, endedAt }) => beganAt > read.endedAt && endedAt < sent.beganAt);
  const syncs = between.filter(({ name, text, result }) => isSync(name) && isStore(text) && result === 0);
  const written = between.filter(({ name, text }) => isWrite(name) && isStore(text));
  const shown = between.map(({ text }) => text.slice(0, 120)).join('\n');
  expect(syncs.length, shown).toBeGreaterThan(0);
  expect(written.length, shown).toBeGreaterThan(0);
  // Nothing of the commit is left in the page cache: a sync follows each write, or its descriptor syncs each write itself.
  const synchronous = calls
    .filter(({ name, text }) => name === 'openat' && isStore(text) && /O_D?SYNC/.test(text))
    .map(({ result }) => result);
  const volatile = written.filter(
    ({ text, endedAt }) => !synchronous.includes(Number(descriptor.exec(text)?.[1])) && !syncs.some(({ beganAt }) => beganAt > endedAt),
  );
  expect(volatile.map(({ text }) => text.slice(0, 120))).toEqual([]);
});

const descriptor = /^\w+\((\d+)</;

function isWrite(name: string): boolean {
  return /^(?:p?write|send)/.test(name);
}

function isSync(name: string): boolean {
  return /^(?:fsync|fdatasync|msync)$/.test(name);
}

function isStore(text: string): boolean {
  return text.includes('/store/data.mdb>') || text.includes('/store/ahead>');
}

function install(): void {
  const command = ['apt-get', 'install', '--yes', '--no-install-recommends', 'strace'];
  const [program = '', ...args] = process.getuid?.() === 0 ? command : ['sudo', '--non-interactive', ...command];
  try {
    execFileSync(program, args, { stdio: 'pipe', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } });
  } catch (cause) {
    throw new Error('this test needs strace, which is not here and could not be installed with apt-get', { cause });
  }
}
