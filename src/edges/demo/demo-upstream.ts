import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Log } from '../../ports/observe.ts';

export interface DemoUpstream {
  close(): Promise<void>;
}

const readyMsMax = 15_000;

/**
 * Runs the bundled demo server as a process of its own, as a real upstream would be, and waits until it listens.
 * It gets no more of the environment than it needs.
 * @param main path of its entry file @param url where the configuration expects it
 * @throws Error where it does not come up
 */
export async function startDemoUpstream(options: {
  main: string;
  url: string | undefined;
  token: string;
  log: Log;
}): Promise<DemoUpstream> {
  const { main, url, token, log } = options;
  if (url === undefined) throw new Error('the configuration has no upstream named demo; the demo needs config/keygate.yaml as it comes');
  const port = new URL(url).port || '80';
  const child = spawn(process.execPath, [main, '--port', port], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH ?? '', DEMO_TOKEN: token },
  });
  let said = '';
  const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => reject(new Error(`the demo server was not ready within ${readyMsMax} ms`)), readyMsMax);
  child.stdout.on('data', () => resolve());
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString('utf8')).slice(-2000);
  });
  child.once('exit', (code) => reject(new Error(`the demo server ended (${code ?? 'by a signal'}): ${said.trim()}`)));
  try {
    await ready;
  } catch (error) {
    child.kill();
    throw error;
  } finally {
    clearTimeout(timer);
  }
  let closing = false;
  child.once('exit', (code) => {
    if (!closing) log.warn('the demo server ended', { code, said: said.trim() });
  });
  return {
    async close() {
      closing = true;
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.kill();
      await gone;
    },
  };
}
