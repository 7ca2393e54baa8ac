import { afterEach, expect, it } from 'vitest';
import { beginSession, reached } from '../support/raw-session.ts';
import { isAlive, stdioUpstream, untilGone } from '../support/stdio-upstream.ts';
import { type Place, preparePlace } from './served.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** Children that do not care for the end of their input, nor for SIGTERM. */
const stubborn = { options: ['--ignore-sigterm', '--ignore-eof'] };

async function serve(upstreams: Record<string, unknown>) {
  const place: Place = await preparePlace({ upstreams, limits: { drainMsMax: 500 } });
  closers.push(() => place.remove());
  const { key } = await place.mint({ scopes: ['read'] });
  const gate = await place.serve();
  const begin = async (name: string) => {
    const session = await beginSession(`${gate.mcpUrl}/mcp/${name}`, key);
    return { session, pid: (await session.call('pid')) as number };
  };
  return { gate, begin };
}

/** Whatever the gateway left behind must not stay behind this test. */
function endAfterwards(pids: readonly number[]): void {
  closers.push(async () => {
    for (const pid of pids.filter(isAlive)) process.kill(pid, 'SIGKILL');
  });
}

it('A57: after SIGTERM no child is left, nor what it started, a call that runs or not', async () => {
  const { gate, begin } = await serve({ own: stdioUpstream({ stopGraceMs: 50 }, stubborn), all: stdioUpstream({ process: 'shared' }) });
  const children = [await begin('own'), await begin('own'), await begin('all')];
  const [first] = children;
  if (!first) throw new Error('no child');
  const pids = [...children.map(({ pid }) => pid), (await first.session.call('offspring')) as number];
  endAfterwards(pids);
  const running = first.session.call('never').catch(() => undefined);
  await reached(first.session, 'never');
  expect(pids.every(isAlive)).toBe(true);
  gate.kill('SIGTERM');
  await gate.exited;
  expect(children.map(({ pid }) => pid).filter(isAlive)).toEqual([]);
  // What a child started was killed as well; nobody waits for it to be dead.
  await untilGone(pids);
  await running;
});

it('a second signal does not wait, and leaves no child all the same', async () => {
  const { gate, begin } = await serve({ own: stdioUpstream({ stopGraceMs: '30s' }, stubborn) });
  const { session, pid } = await begin('own');
  endAfterwards([pid]);
  const running = session.call('never').catch(() => undefined);
  await reached(session, 'never');
  gate.kill('SIGTERM');
  await gate.printed(/"draining"/);
  gate.kill('SIGTERM');
  await gate.exited;
  await untilGone([pid]);
  await running;
});

it('after SIGKILL of the gateway a child that keeps to the protocol ends by itself, and any other by the kernel where it was asked for', async () => {
  const { gate, begin } = await serve({
    decent: stdioUpstream({}, { options: ['--ignore-sigterm'] }),
    watched: stdioUpstream({ killWithGateway: true }, stubborn),
    left: stdioUpstream({}, stubborn),
  });
  const [decent, watched, left] = [await begin('decent'), await begin('watched'), await begin('left')];
  endAfterwards([decent.pid, watched.pid, left.pid]);
  gate.kill('SIGKILL');
  await gate.exited;
  await untilGone([decent.pid, watched.pid]);
  // What docs/upstreams.md says of the rest: without the kernel's help nobody ends it.
  expect(isAlive(left.pid)).toBe(true);
});
