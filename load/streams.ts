import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { preparePlace } from '../test/process/served.ts';
import { type OpenStream, openStream } from '../test/process/stream.ts';
import { startProcess } from '../test/support/process.ts';

/**
 * `npm run load:streams [-- --smoke] [-- --streams N] [-- --out FILE]`: opens idle streams of one key through a gateway process, says what memory
 * each holds, revokes the key over the API, and says how long it takes until all are cut. Exit code 1 where one was cut late or not at all.
 */
const streamsMeasured = { whole: 1_000, smoke: 50 } as const;
/** I3: the streams of a dead key are cut within a second. */
const cutMsMax = 1_000;
/** What has not happened by then is counted as never. */
const giveUpMs = 10_000;
/** Opened at a time, so that what is measured is idle streams and not a queue of connections. */
const openedAtOnce = 50;
/** For the gateway to do what it does after a stream has opened (the intent's commit is grouped, the head flushed) before its memory is read. */
const settleMs = 1_000;

const { values } = parseArgs({
  options: { smoke: { type: 'boolean', default: false }, streams: { type: 'string' }, out: { type: 'string' } },
});
const count = Number(values.streams ?? (values.smoke ? streamsMeasured.smoke : streamsMeasured.whole));
if (!Number.isInteger(count) || count < 1 || count > 5_000) {
  console.error('--streams is a whole number from 1 to 5000');
  process.exit(2);
}

const closers: (() => Promise<unknown>)[] = [];
try {
  process.exitCode = await benchmark();
} finally {
  for (const close of closers.reverse()) await close();
}

async function benchmark(): Promise<number> {
  const { mcpUrl, adminUrl, pid, mint } = await startGateway();
  const { key: operator } = await mint({ kind: 'operator', scopes: ['manage'] });
  const { key, id } = await mint({ scopes: ['read'] });
  const url = `${mcpUrl}/mcp/up`;

  // What the first streams bring with them, such as compiled code, is not theirs.
  const { key: other } = await mint({ scopes: ['read'] });
  for (const stream of await openMany(url, other, Math.min(count, openedAtOnce))) stream.close();
  await pause(settleMs);
  const before = residentBytes(pid);
  const streams = await openMany(url, key, count);
  await pause(settleMs);
  const after = residentBytes(pid);
  const wrong = streams.filter(({ status }) => status !== 200).map(({ status }) => `a stream was answered ${status}`);

  const sentAt = Date.now();
  const act = fetch(`${adminUrl}/api/v1/keys/${id}/revoke`, {
    method: 'POST',
    headers: { authorization: `Bearer ${operator}`, 'content-type': 'application/json' },
    body: JSON.stringify({ reason: 'benchmark' }),
  });
  const ends = (await Promise.all(streams.map(endOf))).map((at) => at - sentAt).sort((one, other) => one - other);
  const answer = await act;
  if (answer.status !== 200) wrong.push(`the act was answered ${answer.status}: ${await answer.text()}`);
  for (const stream of streams) stream.close();

  const rank = (share: number) => ends[Math.ceil(ends.length * share) - 1] ?? Number.NaN;
  const late = ends.filter((ms) => !(ms < cutMsMax)).length;
  if (late > 0) wrong.push(`${late} of ${count} streams were not cut within ${cutMsMax} ms`);
  const result = {
    streams: count,
    residentBytesBefore: before,
    residentBytesAfter: after,
    bytesPerStream: Math.round((after - before) / count),
    cutMs: { p50: rank(0.5), p99: rank(0.99), max: rank(1) },
    wrong,
  };
  tell(result);
  if (values.out !== undefined) await writeFile(values.out, `${JSON.stringify(result, null, 2)}\n`);
  return wrong.length === 0 ? 0 : 1;
}

async function startGateway() {
  const program = fileURLToPath(new URL('stream-stub.ts', import.meta.url));
  const stub = await startProcess(process.execPath, [program], { ready: /listening on \d+/ });
  closers.push(async () => {
    stub.kill('SIGKILL');
    await stub.exited;
  });
  const [, port] = await stub.printed(/listening on (\d+)/);
  const up = { url: `http://127.0.0.1:${port}/mcp`, environment: 'live', tools: [{ match: '*', scope: 'read:up' }] };
  const place = await preparePlace({ upstreams: { up }, limits: { streamsMax: 10_000, streamsPerKeyMax: 10_000 } });
  closers.push(() => place.remove());
  const { mcpUrl, adminUrl, pid } = await place.serve();
  return { mcpUrl, adminUrl, pid, mint: place.mint };
}

async function openMany(url: string, key: string, wanted: number): Promise<OpenStream[]> {
  const all: OpenStream[] = [];
  while (all.length < wanted) {
    const next = Math.min(openedAtOnce, wanted - all.length);
    all.push(...(await Promise.all(Array.from({ length: next }, () => openStream(url, key)))));
  }
  return all;
}

async function endOf({ ended }: OpenStream): Promise<number> {
  const late = Promise.withResolvers<number>();
  const timer = setTimeout(() => late.resolve(Number.POSITIVE_INFINITY), giveUpMs);
  return await Promise.race([ended, late.promise]).finally(() => clearTimeout(timer));
}

/** Memory of a process that is in RAM (proc_pid_status(5), VmRSS). */
function residentBytes(pid: number): number {
  const [, kibibytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  if (kibibytes === undefined) throw new Error(`process ${pid} does not say its memory`);
  return Number(kibibytes) * 1_024;
}

function tell(result: {
  streams: number;
  residentBytesBefore: number;
  residentBytesAfter: number;
  bytesPerStream: number;
  cutMs: { p50: number; p99: number; max: number };
  wrong: readonly string[];
}): void {
  const { streams, residentBytesBefore, residentBytesAfter, bytesPerStream, cutMs, wrong } = result;
  const mib = (bytes: number) => `${(bytes / 1_048_576).toFixed(1)} MiB`;
  console.log(`${streams} idle streams of one key through one gateway process`);
  console.log(`resident memory of the gateway: ${mib(residentBytesBefore)} before, ${mib(residentBytesAfter)} with them`);
  console.log(`for each stream: ${(bytesPerStream / 1_024).toFixed(1)} KiB`);
  console.log(`cut after the revocation was sent, ms: p50 ${cutMs.p50}, p99 ${cutMs.p99}, max ${cutMs.max} (bound ${cutMsMax})`);
  for (const each of wrong) console.log(`WRONG: ${each}`);
}
