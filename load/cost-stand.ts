import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Place, preparePlace, type Served } from '../test/process/served.ts';
import { toolCall } from '../test/support/post.ts';
import { type StartedProcess, startProcess } from '../test/support/process.ts';
import { checkSums } from './correct.ts';
import type { Way } from './measure.ts';

const run = promisify(execFile);
const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const verifyMsMax = 300_000;

/** A process that listens. */
interface Sibling {
  readonly url: string;
  readonly pid: number;
}

/** The processes of a measurement, all on this machine and on loopback. Whatever was started ends with `close`. */
export interface CostStand {
  readonly stub: Sibling;
  /** A program of this folder that says by its output when it is ready. It can be ended before the stand is closed. */
  startProgram(
    file: string,
    options: { ready: RegExp; args?: readonly string[]; env?: Record<string, string> },
  ): Promise<StartedProcess & { end(): Promise<void> }>;
  /** A bare relay to a path of the stub. */
  startRelay(path: string): Promise<Sibling>;
  /** Where the stub answers and counts on a path. */
  at(path: string): string;
  preparePlace(config: Record<string, unknown>): Promise<Place>;
  serve(place: Place): Promise<Served>;
  /** How often the stub was asked on a path. */
  seen(path: string): Promise<number>;
  /** Called when the stand is closed, last first. */
  onClose(close: () => Promise<unknown>): void;
  close(): Promise<void>;
}

export async function openCostStand(): Promise<CostStand> {
  const closers: (() => Promise<unknown>)[] = [];
  const startProgram: CostStand['startProgram'] = async (file, { ready, args = [], env = {} }) => {
    const program = fileURLToPath(new URL(file, import.meta.url));
    const child = await startProcess(process.execPath, [program, ...args], { ready, env });
    const end = async (): Promise<void> => {
      child.kill('SIGKILL');
      await child.exited;
    };
    closers.push(end);
    return { ...child, end };
  };
  const startSibling = async (file: string, ...args: string[]): Promise<Sibling> => {
    const child = await startProgram(file, { ready: /listening on \d+/, args });
    const [, port] = await child.printed(/listening on (\d+)/);
    return { url: `http://127.0.0.1:${port}`, pid: child.pid };
  };
  const stub = await startSibling('stub.ts');
  const at = (path: string) => `${stub.url}${path}`;
  return {
    stub,
    at,
    startProgram,
    startRelay: (path) => startSibling('bare-relay.ts', at(path)),
    async preparePlace(config) {
      const place = await preparePlace(config);
      closers.push(() => place.remove());
      return place;
    },
    serve: (place) => place.serve({ env: { KEYGATE_LOG: 'info' } }),
    async seen(path) {
      const counts = (await (await fetch(stub.url)).json()) as Record<string, number>;
      return counts[path] ?? 0;
    },
    onClose: (close) => void closers.push(close),
    async close() {
      for (const each of closers.splice(0).reverse()) await each();
    },
  };
}

export const plainHeaders = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' } as const;

export function keyedHeaders(key: string): Record<string, string> {
  return { ...plainHeaders, authorization: `Bearer ${key}` };
}

/** A call of about 300 bytes, or with a text of another length, that is answered with about 400 bytes, or as many as are asked for. */
export function callBody({ textBytes = 200, answerBytes }: { textBytes?: number; answerBytes?: number } = {}): string {
  const more = answerBytes === undefined ? {} : { answerBytes };
  return JSON.stringify(toolCall('timed', { mark: 'a-mark-of-the-usual-length', text: 'x'.repeat(textBytes), ...more }, 1));
}

/** What a way answers, before anything is measured. @throws Error where that is no result */
export async function answerOf({ url, headers, body }: Pick<Way, 'url' | 'headers' | 'body'>): Promise<string> {
  const response = await fetch(url, { method: 'POST', headers, body });
  const text = await response.text();
  if (response.status !== 200 || !text.includes('"result"')) throw new Error(`${url} answered ${response.status} ${text}`);
  return text;
}

/** Ends a gateway and says what its store, the stub and the journal disagree about, in words. */
export async function finish(
  { place, served }: { place: Place; served: Served },
  sums: Parameters<typeof checkSums>[1],
): Promise<string[]> {
  served.kill();
  const { code } = await served.exited;
  const wrong = code === 0 ? [] : [`the gateway ended with ${code}`];
  wrong.push(...(await checkSums(place, sums)));
  const verify = [main, 'journal', 'verify', '--config', place.configFile];
  await run(process.execPath, verify, { cwd: place.folder, timeout: verifyMsMax }).catch((error: unknown) => {
    wrong.push(`the journal does not verify: ${error}`);
  });
  return wrong;
}
