import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, expect, it } from 'vitest';
import { upstreamConfig } from '../support/gateway.ts';
import { post, toolCall } from '../support/post.ts';
import { startRecordingUpstream } from '../support/recording-upstream.ts';
import { eventually, preparePlace } from './served.ts';
import { readTrace, type SystemCall } from './trace.ts';

/** Everything that node and LMDB can read, write or sync with, io_uring apart, which is switched off. */
const traced = 'read,readv,recvfrom,recvmsg,write,writev,pwrite64,pwritev,sendto,sendmsg,fsync,fdatasync,msync,sync_file_range';

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
  const file = join(place.folder, 'trace');
  // -y and -yy name files and sockets; the journal's syncs happen in threads, hence -f.
  const strace = ['strace', '-f', '-ttt', '-T', '-yy', '-e', `trace=${traced}`, '-s', '200', '-o', file];
  const gate = await place.serve({ under: strace, env: { UV_USE_IO_URING: '0' } });
  const call = toolCall('traced_tool', { mark: 'the-traced-call' });
  const answer = await post(`${gate.mcpUrl}/mcp/up`, { key, body: call });
  expect(answer.json.result, answer.text).toBeDefined();
  // strace does not pass signals on, so its one child, the gateway, is told to stop itself.
  const [child] = readFileSync(`/proc/${gate.pid}/task/${gate.pid}/children`, 'utf8').trim().split(' ');
  process.kill(Number(child), 'SIGTERM');
  await gate.exited; (await import('node:fs')).copyFileSync(file,'/tmp/trace.keep');

  const calls = readTrace(readFileSync(file, 'utf8'));
  const client = new URL(gate.mcpUrl).port;
  const isRead = ({ name, text }: SystemCall) => /^(?:read|recv)/.test(name) && text.includes(`:${client}->`) && /the-traced-call/.test(text);
  const isSend = ({ name, text }: SystemCall) => /^(?:write|send)/.test(name) && text.includes(`->127.0.0.1:${upstream.port}]`);
  const isSync = ({ name, text, result }: SystemCall) =>
    /^(?:fsync|fdatasync|msync)$/.test(name) && /\/store\/data\.mdb>/.test(text) && result === 0;

  const read = await eventually('the read of the request', () => calls.find(isRead));
  const sent = calls.find(isSend);
  if (!sent) throw new Error('the trace shows no write to the upstream');
  expect(sent.text).toContain('the-traced-call');
  const syncs = calls.filter((each) => isSync(each) && each.beganAt > read.endedAt && each.endedAt < sent.beganAt);
  const between = calls.filter(({ beganAt }) => beganAt >= read.beganAt && beganAt <= sent.beganAt).map(({ text }) => text.slice(0, 160));
  expect(syncs.length, between.join('\n')).toBeGreaterThan(0);
  // What was synced holds the intent: it was written to the same file after the request was read.
  const written = calls.filter(({ name, text, beganAt }) => /^p?write/.test(name) && /data\.mdb>/.test(text) && beganAt > read.endedAt);
  expect(Math.min(...written.map(({ endedAt }) => endedAt))).toBeLessThan(Math.max(...syncs.map(({ beganAt }) => beganAt)));
});

function install(): void {
  const command = ['apt-get', 'install', '--yes', '--no-install-recommends', 'strace'];
  const [program = '', ...args] = process.getuid?.() === 0 ? command : ['sudo', '--non-interactive', ...command];
  try {
    execFileSync(program, args, { stdio: 'pipe', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } });
  } catch (cause) {
    throw new Error('this test needs strace, which is not here and could not be installed with apt-get', { cause });
  }
}
