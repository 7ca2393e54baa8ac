import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestGateway, type TestGateway } from '../../support/gateway.ts';
import { post, toolCall } from '../../support/post.ts';
import { beginSession, type RawSession, reached } from '../../support/raw-session.ts';
import { isAlive, stdioUpstream, untilGone } from '../../support/stdio-upstream.ts';

const secret = 'a-secret-of-the-child';
let gate: TestGateway;
let key: string;

beforeAll(async () => {
  process.env['KEYGATE_TEST_SECRET'] = 'a-secret-of-the-gateway';
  gate = await startTestGateway(
    {
      upstreams: {
        up: stdioUpstream({}, { env: { OWN: '${env:OWN}' }, cwd: '/' }),
        stubborn: stdioUpstream({ stopGraceMs: 50 }, { options: ['--ignore-sigterm', '--ignore-eof'] }),
        absent: stdioUpstream({}, { command: '/nowhere/at-all' }),
        silent: stdioUpstream({ startTimeoutMs: 300 }, { args: ['-e', 'setInterval(() => undefined, 1000)'] }),
      },
      limits: { answerBytesMax: '2MiB', eventBytesMax: '1MiB', upstreamTimeoutMs: 3_000 },
    },
    { env: { OWN: secret } },
  );
});
afterAll(async () => {
  delete process.env['KEYGATE_TEST_SECRET'];
  await gate.close();
});

const begin = async (name = 'up'): Promise<RawSession> => {
  // A key of its own, since a crash holds up its key for a while.
  ({ key } = await gate.mint({ scopes: ['read'] }));
  return beginSession(`${gate.url}/mcp/${name}`, key);
};
const outcomes = async (requestTool: string) =>
  (await gate.journal('call.outcome')).filter(({ tool }) => tool === requestTool).map(({ reason, charged }) => ({ reason, charged }));

describe('A57: a child', () => {
  it('gets a clean environment, and the folder it was given', async () => {
    const session = await begin();
    const environment = (await session.call('environment')) as Record<string, string>;
    const allowed = ['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'LANG', 'LC_ALL', 'LC_CTYPE', 'TZ', 'TMPDIR', 'OWN'];
    expect(Object.keys(environment).filter((name) => !allowed.includes(name))).toEqual([]);
    expect(environment['OWN']).toBe(secret);
    expect(environment['PATH']).toBe(process.env['PATH']);
    expect(JSON.stringify(environment)).not.toContain('a-secret-of-the-gateway');
    expect(await session.call('folder')).toBe('/');
    await session.end();
  });

  it('that crashes: 502 with an unknown outcome, one charge; its session is gone; back-off, then it serves again', async () => {
    const session = await begin();
    const pid = (await session.call('pid')) as number;
    await expect(session.call('crash')).rejects.toMatchObject({
      ...{ status: 502, error: { code: -31502, data: { reason: 'UPSTREAM_FAILED', outcome: 'unknown' } } },
    });
    expect(isAlive(pid)).toBe(false);
    const refused = await post(`${gate.url}/mcp/up`, { key, body: initialize });
    expect(refused.status).toBe(503);
    expect(refused.json.error?.data).toMatchObject({ reason: 'UPSTREAM_UNAVAILABLE', outcome: 'not-sent' });
    const retryAfterMs = Number(refused.json.error?.data['retryAfterMs']);
    expect(retryAfterMs).toBeGreaterThan(0);
    expect(retryAfterMs).toBeLessThanOrEqual(1_000);
    await expect(session.call('pid')).rejects.toMatchObject({ status: 404 });
    // Another key is not held up by this one's crash.
    const { key: neighbour } = await gate.mint({ scopes: ['read'] });
    await (await beginSession(`${gate.url}/mcp/up`, neighbour)).end();
    await new Promise((resolve) => setTimeout(resolve, retryAfterMs));
    await (await beginSession(`${gate.url}/mcp/up`, key)).end();
    await gate.journalled('call.outcome', 1);
    expect(await outcomes('crash')).toEqual([{ reason: 'UPSTREAM_FAILED', charged: '0.01' }]);
    expect(gate.logged()).toContain('"how":"code 3"');
  });

  it('that prints garbage is answered for all the same, and the garbage is in the log', async () => {
    const session = await begin();
    expect(await session.call('garbage')).toBe('after the garbage');
    expect(gate.logged()).toContain('Server running on stdio');
    await session.end();
  });

  it('that prints 100 MiB without a line end is killed; memory stays bounded', async () => {
    const session = await begin();
    const pid = (await session.call('pid')) as number;
    const before = process.memoryUsage().rss;
    await expect(session.call('flood', { mebibytes: 100 })).rejects.toMatchObject({ status: 502 });
    const grown = (process.memoryUsage().rss - before) / 1024 / 1024;
    await untilGone([pid]);
    console.info(`100 MiB without a line end: the gateway grew by ${Math.round(grown)} MiB`);
    expect(grown).toBeLessThan(60);
    expect(gate.logged()).toContain('a line is longer than 2097152 bytes');
  });

  it('that floods its standard error: bounded lines in the log, without its secrets', async () => {
    const session = await begin();
    const before = gate.logged().length;
    expect(await session.call('complain', { lines: 20_000, words: secret })).toBe('complained');
    const logged = gate.logged().slice(before);
    expect(logged.split('\n').filter((line) => line.includes('"stderr"')).length).toBeLessThanOrEqual(60);
    expect(logged).toContain('complaint 0 [redacted]');
    expect(gate.logged()).not.toContain(secret);
    await session.end();
  });

  it('that ignores the end of its input and SIGTERM is killed, and what it started with it', async () => {
    const session = await begin('stubborn');
    const pids = [await session.call('pid'), await session.call('offspring')] as number[];
    expect(pids.every(isAlive)).toBe(true);
    expect(await session.end()).toBe(200);
    await untilGone(pids);
  });

  it('that ends leaves nothing behind that it started', async () => {
    const session = await begin();
    const offspring = (await session.call('offspring')) as number;
    await expect(session.call('crash')).rejects.toMatchObject({ status: 502 });
    await untilGone([offspring]);
  });

  it('that cannot be started: 502, nothing was sent, nothing charged', async () => {
    const { key: fresh } = await gate.mint({ scopes: ['read'] });
    const { status, json } = await post(`${gate.url}/mcp/absent`, { key: fresh, body: initialize });
    expect(status).toBe(502);
    expect(json.error?.data).toMatchObject({ reason: 'UPSTREAM_FAILED', outcome: 'not-sent' });
    expect((await post(`${gate.url}/mcp/absent`, { key: fresh, body: initialize })).status).toBe(503);
    expect(gate.logged()).toContain('could not be started: ENOENT');
  });

  it('that never answers initialize is given up, and ends', async () => {
    const { key: fresh } = await gate.mint({ scopes: ['read'] });
    const { status, json } = await post(`${gate.url}/mcp/silent`, { key: fresh, body: initialize });
    expect([status, json.error?.data['reason']]).toEqual([504, 'UPSTREAM_TIMEOUT']);
  });

  it('that never answers a call: 504, and it is told that nobody waits', async () => {
    const session = await begin();
    await expect(session.call('never', {}, { id: 5 })).rejects.toMatchObject({ status: 504 });
    const seen = (await session.call('seen')) as { method?: string; id?: unknown; params?: { name?: string; requestId?: unknown } }[];
    const call = seen.find(({ params }) => params?.name === 'never');
    expect(seen.find(({ method }) => method === 'notifications/cancelled')?.params?.requestId).toBe(call?.id);
    await session.end();
  });

  it('A23: is started by the configuration alone: nothing that a caller sends names a command', async () => {
    const params = { ...initialize.params, command: '/bin/sh', args: ['-c', 'touch /tmp/keygate-a23'] };
    const { key: fresh } = await gate.mint({ scopes: ['read'] });
    const paths = ['/mcp', '/mcp/up', '/mcp/unknown', '/mcp/up/connect', '/api/v1/upstreams', '/api/v1/upstreams/test'];
    for (const path of paths) {
      const { status } = await post(`${gate.url}${path}`, { key: fresh, body: { ...initialize, params, command: '/bin/sh' } });
      expect(status).toBeGreaterThanOrEqual(400);
    }
  });
});

it('no child is left when the gateway has ended, a call that still runs or not', async () => {
  const other = await startTestGateway({
    upstreams: {
      up: stdioUpstream({ stopGraceMs: 50 }, { options: ['--ignore-sigterm', '--ignore-eof'] }),
      all: stdioUpstream({ process: 'shared' }),
    },
    limits: { drainMsMax: 300 },
  });
  const { key: own } = await other.mint({ scopes: ['read'] });
  const sessions = await Promise.all(['up', 'up', 'all'].map((name) => beginSession(`${other.url}/mcp/${name}`, own)));
  const pids = (await Promise.all(sessions.map((session) => session.call('pid')))) as number[];
  const [first] = sessions;
  if (!first) throw new Error('no session');
  const offspring = (await first.call('offspring')) as number;
  const running = first.send(toolCall('never', {}, 'held'));
  await reached(first, 'never');
  expect([...pids, offspring].every(isAlive)).toBe(true);
  await other.close();
  expect(pids.filter(isAlive)).toEqual([]);
  // What a child started was killed as well; nobody waits for it to be dead.
  await untilGone([offspring]);
  expect((await running).status).toBe(503);
});

const initialize = {
  jsonrpc: '2.0',
  id: 0,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'raw', version: '1' } },
};
