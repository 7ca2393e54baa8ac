import { writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { startTestGateway, type TestGateway } from '../../support/gateway.ts';
import { beginSession, reached } from '../../support/raw-session.ts';
import { isAlive, stdioUpstream, untilGone } from '../../support/stdio-upstream.ts';

let gate: TestGateway;
let key: string;

const config = (up: Record<string, unknown>) => ({ upstreams: { up, same: stdioUpstream() } });

beforeEach(async () => {
  gate = await startTestGateway(config(stdioUpstream({}, { env: { ROUND: 'first' } })));
  key = (await gate.mint({ scopes: ['read'] })).key;
});
afterEach(() => gate.close());

it('a changed command: calls of the old child finish, then it ends; new sessions have the new one; others are not touched', async () => {
  const [old, idle, same] = await Promise.all(['up', 'up', 'same'].map((name) => beginSession(`${gate.url}/mcp/${name}`, key)));
  if (!old || !idle || !same) throw new Error('no session');
  const pids = [await old.call('pid'), await idle.call('pid'), await same.call('pid')] as [number, number, number];
  const running = old.call('echo', { delayMs: 1_500, said: 'in time' });
  await reached(old, 'echo');
  const stream = await idle.listen();
  await reload(config(stdioUpstream({}, { env: { ROUND: 'second' } })));
  await stream.ended;
  await untilGone([pids[1]]);
  await expect(old.call('pid', {}, { id: 2 })).rejects.toMatchObject({ status: 404 });
  expect(isAlive(pids[0])).toBe(true);
  expect(await running).toMatchObject({ said: 'in time' });
  await untilGone([pids[0]]);
  const next = await beginSession(`${gate.url}/mcp/up`, key);
  expect(await next.call('environment')).toMatchObject({ ROUND: 'second' });
  expect(await same.call('pid')).toBe(pids[2]);
});

it('an upstream that leaves takes its children with it', async () => {
  const session = await beginSession(`${gate.url}/mcp/up`, key);
  const pid = (await session.call('pid')) as number;
  await reload({ upstreams: { same: stdioUpstream() } });
  await untilGone([pid]);
  await expect(session.call('pid')).rejects.toMatchObject({ status: 404 });
});

async function reload(next: { upstreams: Record<string, unknown> }): Promise<void> {
  const written = { listen: { mcp: '127.0.0.1:0', admin: '127.0.0.1:0' }, store: gate.gateway.config.store, ...next };
  const store = written.store.kind === 'folder' ? './var' : written.store.url;
  await writeFile(gate.configFile, JSON.stringify({ ...written, store }));
  await gate.gateway.reload();
}
