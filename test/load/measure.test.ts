import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { cpuMicros, measure, type Way } from '../../load/measure.ts';
import { measureSteady } from '../../load/steady.ts';
import { startProcess } from '../support/process.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function startServer(answer: RequestListener): Promise<Way> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/x`;
  return { name: 'server', title: 'server', url, headers: {}, body: 'asked', answer: 'answered', pids: [process.pid] };
}

it('counts calls, their times and the work of the processes between', async () => {
  const way = await startServer((_, response) => void response.end('answered'));
  const measured = await measure(way, { seconds: 1, connections: 4 });
  expect(measured.wrong).toBe(0);
  expect(measured.calls).toBeGreaterThan(10);
  expect(measured.p50).toBeGreaterThan(0);
  expect(measured.p99).toBeGreaterThanOrEqual(measured.p50);
  expect(measured.cpuPerCall).toBeGreaterThan(0);
  expect(measured.residentBytes).toBeGreaterThan(1_000_000);
});

it('an answer that is not the expected one is wrong, at saturation and at a fixed rate', async () => {
  let nth = 0;
  const way = await startServer((_, response) => {
    nth += 1;
    response.end(nth % 2 === 0 ? 'answered' : 'something else');
  });
  const full = await measure(way, { seconds: 1, connections: 2 });
  expect(full.wrong).toBeGreaterThan(full.calls / 4);
  const steady = await measureSteady(way, { rate: 100, seconds: 1 });
  // Those before it, which are not measured, are looked at all the same.
  expect(steady).toMatchObject({ calls: 100, wrong: 100 });
});

it('a way on which nothing is answered is wrong', async () => {
  const way = await startServer((request) => void request.socket.destroy());
  expect((await measureSteady(way, { rate: 10, seconds: 1 })).wrong).toBe(20);
});

it('at a fixed rate a call that hangs delays no other', async () => {
  const held: (() => void)[] = [];
  let arrived = 0;
  const way = await startServer((_, response) => {
    arrived += 1;
    // The first 50, of the second before, are not measured.
    if (arrived === 51) held.push(() => response.end('answered'));
    else response.end('answered');
    // Let go only once all others have come, which they would not if they waited for it.
    if (arrived === 100) for (const release of held) release();
  });
  const measured = await measureSteady(way, { rate: 50, seconds: 1 });
  expect(measured).toMatchObject({ calls: 50, wrong: 0 });
  expect(measured.p999).toBeGreaterThan(500);
  expect(measured.p50).toBeLessThan(500);
});

it('the processor time of a process includes that of its children', async () => {
  // The child ends with the pipe from its parent, however that ends.
  const child = 'while (process.cpuUsage().user < 400_000); console.log("burnt"); process.stdin.resume()';
  const stdio = JSON.stringify(['pipe', 'inherit', 'inherit']);
  const parent = `require("node:child_process").spawn(process.execPath, ["-e", ${JSON.stringify(child)}], { stdio: ${stdio} })`;
  const started = await startProcess(process.execPath, ['-e', parent], { ready: /burnt/ });
  try {
    expect(cpuMicros(started.pid)).toBeGreaterThan(300_000);
  } finally {
    started.kill('SIGKILL');
    await started.exited;
  }
});
