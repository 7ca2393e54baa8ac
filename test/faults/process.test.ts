import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually, type Place, preparePlace, type Served, type ServeOptions } from '../process/served.ts';
import { openStream } from '../process/stream.ts';
import { fakeClock } from '../support/faketime.ts';
import { upstreamConfig } from '../support/gateway.ts';
import { post, toolCall } from '../support/post.ts';
import { openRaw } from '../support/raw-http.ts';
import { type RecordingUpstream, startRecordingUpstream } from '../support/recording-upstream.ts';
import { createSmallDisk } from '../support/small-disk.ts';

const closers: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Stand {
  readonly place: Place;
  readonly gate: Served;
  readonly upstream: RecordingUpstream;
  readonly id: string;
  readonly key: string;
}

async function stand(
  options: ServeOptions = {},
  minted: Record<string, unknown> = {},
  config: Record<string, unknown> = {},
): Promise<Stand> {
  const upstream = await startRecordingUpstream({ sessions: false });
  closers.push(() => upstream.close());
  const place = await preparePlace({ upstreams: { up: upstreamConfig(upstream.url) }, ...config });
  closers.push(() => place.remove());
  const made = await place.mint({ scopes: ['read:up'], ...minted });
  return { place, gate: await place.serve(options), upstream, ...made };
}

function call({ gate, key }: Pick<Stand, 'gate' | 'key'>, tool: string, body: object = toolCall(tool)) {
  return post(`${gate.mcpUrl}/mcp/up`, { key, body });
}

async function status(url: string): Promise<number> {
  return (await fetch(url)).status;
}

/** The program under a limit of its shell. The shell stays, so the gateway is its child; a limit that is passed is an error and no signal. */
const limited = (limit: string): ServeOptions => ({ under: ['sh', '-c', `trap '' XFSZ; ${limit}; "$@"; exit $?`, 'sh'] });

/** Where a test's secrets are, also where its store is elsewhere. */
const secretsBeside = { pepper: '${file:./var/pepper}', seal: '${file:./var/seal}', signing: '${file:./var/signing.jwk}' };
/** Room for a store with some calls. */
const diskBytes = 2 * 1024 * 1024;

describe('what happens to the process', () => {
  it('F61 frozen and going on: what waited is answered, a key that was revoked meanwhile is refused and its stream cut', async () => {
    const here = await stand();
    const other = await here.place.mint({ scopes: ['read:up'] });
    const stream = await openStream(`${here.gate.mcpUrl}/mcp/up`, here.key);
    expect(stream.status).toBe(200);
    here.gate.kill('SIGSTOP');
    const waiting = call({ ...here, key: other.key }, 'tool_0');
    const refused = call(here, 'tool_1');
    expect((await here.place.cli('keys', 'revoke', here.id)).code).toBe(0);
    here.gate.kill('SIGCONT');
    const goneOn = Date.now();
    expect((await waiting).status).toBe(200);
    expect((await refused).json).toMatchObject({ error: { data: { reason: 'TOKEN_REVOKED' } } });
    expect((await stream.ended) - goneOn).toBeLessThan(3_000);
    expect(here.upstream.calls('tools/call').length).toBe(1);
  });

  it('F62 no room on the disk: 503, not ready, and nothing is sent; with room again calls pass, the journal is whole and its sums are the ledger’s', async () => {
    const disk = await createSmallDisk(diskBytes);
    closers.push(() => disk.remove());
    const here = await stand({}, { budgets: [{ amount: '1000', per: 'total' }] }, { store: `${disk.folder}/store`, keys: secretsBeside });
    const { place, upstream, gate } = here;
    const answers = new Map<string, Awaited<ReturnType<typeof call>>>();
    const callSome = async (): Promise<number[]> => {
      const tools = Array.from({ length: 16 }, (_, at) => `tool_${answers.size + at}`);
      const some = await Promise.all(tools.map((tool) => call(here, tool)));
      for (const [at, tool] of tools.entries()) answers.set(tool, some[at] as (typeof some)[number]);
      return some.map(({ status: code }) => code);
    };
    expect(new Set(await callSome())).toEqual(new Set([200]));
    await disk.fill();
    // What was freed within the store's file is written to first.
    await eventually('the disk is full', async () => ((await callSome()).every((code) => code === 503) ? true : undefined), 40_000);
    for (const { status: code, json } of answers.values()) {
      if (code === 200) continue;
      expect(code).toBe(503);
      expect(['STORE_UNAVAILABLE', 'JOURNAL_UNAVAILABLE']).toContain(json.error?.data['reason']);
    }
    expect([await status(`${gate.adminUrl}/livez`), await status(`${gate.adminUrl}/readyz`)]).toEqual([200, 503]);
    await disk.free();
    expect(new Set(await callSome())).toEqual(new Set([200]));
    const passed = [...answers].filter(([, { status: code }]) => code === 200).map(([tool]) => tool);
    const seen = upstream.calls('tools/call').map(({ message }) => (message as { params: { name: string } }).params.name);
    expect(seen.sort()).toEqual(passed.sort());
    // Outcomes that found no room are written now.
    await eventually('every call has its outcome', async () => {
      const intents = await place.journal('call.intent');
      expect(new Set(intents.map(({ tool }) => tool))).toEqual(new Set(seen));
      return (await place.journal('call.outcome')).length === intents.length ? true : undefined;
    });
    await eventually('it is ready', async () => ((await status(`${gate.adminUrl}/readyz`)) === 200 ? true : undefined), 15_000);
    expect(await place.cli('journal', 'verify')).toMatchObject({ code: 0 });
    expect(await place.cli('ledger', 'reconcile')).toMatchObject({ code: 0 });
  }, 90_000);

  it('F63 A53: 64 file descriptors and a flood of connections: it lives, those that it has are served and on record, and with the flood gone all is well', async () => {
    const here = await stand(limited('ulimit -n 64'));
    expect(here.gate.stderr()).toContain('fewer open files than limits.connectionsMax needs');
    expect((await call(here, 'tool_0')).status).toBe(200);
    const flood: Socket[] = [];
    closers.push(() => {
      for (const socket of flood) socket.destroy();
    });
    for (let nth = 0; nth < 200; nth += 1) {
      const socket = openRaw(here.gate.mcpUrl);
      socket.on('error', () => undefined);
      flood.push(socket);
    }
    await Promise.all(flood.map((socket) => Promise.race([once(socket, 'connect'), once(socket, 'close')])));
    // The operator's way in is another one.
    expect(await status(`${here.gate.adminUrl}/livez`)).toBe(200);
    const [held] = flood.filter((socket) => !socket.destroyed);
    const before = here.upstream.calls('tools/call').length;
    const answered = new Promise<string>((resolve) =>
      held?.once('data', (bytes: Buffer) => resolve(bytes.toString('latin1').slice(0, 15))),
    );
    const body = JSON.stringify(toolCall('tool_1'));
    held?.write(
      `POST /mcp/up HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${here.key}\r\nContent-Type: application/json\r\nAccept: */*\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    expect(await answered).toBe('HTTP/1.1 200 OK');
    expect(here.upstream.calls('tools/call').length).toBe(before + 1);
    for (const socket of flood) socket.destroy();
    await eventually('it serves again', async () =>
      (await call(here, 'tool_2').catch(() => undefined))?.status === 200 ? true : undefined,
    );
    expect((await here.place.journal('call.intent')).length).toBe(3);
    here.gate.kill();
    expect((await here.gate.exited).code).toBe(0);
  }, 60_000);
});

describe('an error that nobody caught', () => {
  it('F68 ends the process at once, also under load, with a fault in the log; the next one settles what it left', async () => {
    const preload = fileURLToPath(new URL('../support/throw-on-signal.mjs', import.meta.url));
    const here = await stand({ env: { NODE_OPTIONS: `--import=${preload}` } });
    const load = Array.from({ length: 32 }, async (_, at) => {
      for (;;) if ((await call(here, `tool_${at}`).catch(() => undefined)) === undefined) return;
    });
    await here.upstream.received(100);
    here.gate.kill('SIGUSR2');
    expect(await here.gate.exited).toMatchObject({ signal: 'SIGKILL' });
    expect(here.gate.stderr()).toContain('an error that nobody caught ends this process');
    await Promise.all(load);
    const again = await here.place.serve();
    expect((await call({ gate: again, key: here.key }, 'after')).status).toBe(200);
    expect((await here.place.cli('journal', 'verify')).code).toBe(0);
  });
});

describe('what happens to its clock', () => {
  async function clocked(minted: Record<string, unknown>) {
    const folder = await mkdtemp(join(tmpdir(), 'keygate-clock-'));
    closers.push(() => rm(folder, { recursive: true }));
    const clock = fakeClock(join(folder, 'time'));
    const here = await stand({ env: clock.env }, minted);
    return { ...here, clock };
  }

  it('F64 forward past the end of a key: refused at its next request, and its stream is cut', async () => {
    const here = await clocked({ ttl: '1h' });
    const stream = await openStream(`${here.gate.mcpUrl}/mcp/up`, here.key);
    expect([stream.status, (await call(here, 'tool_0')).status]).toEqual([200, 200]);
    here.clock.set(2 * 3_600);
    const after = await call(here, 'tool_0');
    expect(after.json).toMatchObject({ error: { data: { reason: 'TOKEN_EXPIRED' } } });
    await stream.ended;
    expect(here.upstream.calls('tools/call').length).toBe(1);
  });

  it('F65 forward and back again: a window that was left is not entered a second time with a fresh budget', async () => {
    const here = await clocked({ caps: [{ calls: 2, per: 'day' }] });
    expect([(await call(here, 'tool_0')).status, (await call(here, 'tool_0')).status]).toEqual([200, 200]);
    expect((await call(here, 'tool_0')).json).toMatchObject({ error: { data: { reason: 'CAP_EXCEEDED' } } });
    here.clock.set(86_400);
    expect([(await call(here, 'tool_0')).status, (await call(here, 'tool_0')).status]).toEqual([200, 200]);
    here.clock.set(0);
    expect((await call(here, 'tool_0')).json).toMatchObject({ error: { data: { reason: 'CAP_EXCEEDED' } } });
    // The process has not noticed anything: it lives, is ready and says nothing of faults.
    expect(await status(`${here.gate.adminUrl}/readyz`)).toBe(200);
    expect(here.gate.stderr()).not.toContain('"level":50');
  });
});
