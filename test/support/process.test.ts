import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { freePort } from './ports.ts';
import { startProcess } from './process.ts';

const node = process.execPath;

test('waits until the program is ready, sees its output and ends it by its id', async () => {
  const script = 'console.error("starting"); console.log("ready " + process.env.WORD); setInterval(() => {}, 1000)';
  const started = await startProcess(node, ['-e', script], { env: { WORD: 'now' }, ready: /ready/ });
  expect(started.stdout()).toBe('ready now\n');
  await started.printed(/starting/);
  expect(started.stderr()).toContain('starting');
  started.kill('SIGKILL');
  expect(await started.exited).toEqual({ code: null, signal: 'SIGKILL' });
  expect(() => process.kill(started.pid, 0)).toThrow('ESRCH');
});

test('rejects, with the output, when the program ends before it is ready', async () => {
  const starting = startProcess(node, ['-e', 'console.log("no luck"); process.exit(3)'], { ready: /ready/ });
  await expect(starting).rejects.toThrow(/code 3.*no luck/s);
});

test('rejects when the program does not exist or is not ready in time', async () => {
  await expect(startProcess('/nowhere/at-all', [], { ready: /x/ })).rejects.toThrow('ENOENT');
  const silent = startProcess(node, ['-e', 'setInterval(() => {}, 1000)'], { ready: /x/, readyMsMax: 50 });
  await expect(silent).rejects.toThrow('not ready after 50 ms');
});

test('freePort gives a port that can be listened on', async () => {
  const port = await freePort();
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, '127.0.0.1', resolve);
  });
  server.close();
});
