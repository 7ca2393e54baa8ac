import { readFile } from 'node:fs/promises';
import { eventually } from '../process/served.ts';
import type { RecordingServer } from '../support/recording-server.ts';

/** What an upstream was sent, seen from outside. */
export interface Heard {
  /** Everything so far, as one text for each message. */
  messages(): Promise<string[]>;
  /**
   * True once a message after the first `after` says that a call was given up. In 2026-07-28 closing the connection says so too, in sessions it does
   * not (transports, cancellation).
   */
  cancelled(after: number): Promise<boolean>;
}

const heardMsMax = 10_000;

export function heardOverHttp({ requests }: Pick<RecordingServer, 'requests'>): Heard {
  const unanswered = new Set<unknown>();
  const watched = new Set<unknown>();
  return {
    async messages() {
      for (const request of requests) {
        if (watched.has(request)) continue;
        watched.add(request);
        void request.answered.then((whole) => whole || unanswered.add(request));
      }
      return requests.map(({ body }) => body);
    },
    async cancelled(after) {
      await this.messages();
      const since = requests.slice(after);
      return since.some(
        (request) => saysCancelled(request.body) || (isStateless(request.body) && isCall(request.body) && unanswered.has(request)),
      );
    },
  };
}

export function heardOverStdio(log: string): Heard {
  const messages = async () => (await readFile(log, 'utf8').catch(() => '')).split('\n').filter((line) => line !== '');
  return {
    messages,
    cancelled: async (after) => (await messages()).slice(after).some(saysCancelled),
  };
}

/** Resolves once a call of the tool came after the first `after` messages. */
export async function callReached(heard: Heard, { tool, after }: { tool: string; after: number }): Promise<void> {
  const look = async () => ((await heard.messages()).slice(after).some((text) => isCall(text, tool)) ? true : undefined);
  await eventually(`a call of ${tool} reaches the server`, look, heardMsMax);
}

export async function cancelReached(heard: Heard, after: number): Promise<void> {
  await eventually('the cancellation reaches the server', async () => ((await heard.cancelled(after)) ? true : undefined), heardMsMax);
}

export function isCall(text: string, tool?: string): boolean {
  return text.includes('"tools/call"') && (tool === undefined || text.includes(`"name":"${tool}"`));
}

function saysCancelled(text: string): boolean {
  return text.includes('"notifications/cancelled"');
}

function isStateless(text: string): boolean {
  return text.includes('"io.modelcontextprotocol/protocolVersion":"2026-07-28"');
}
