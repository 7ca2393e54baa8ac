import { once } from 'node:events';
import type { Socket } from 'node:net';
import { openRaw } from './raw-http.ts';

/** Connections, and requests that wait for their answers on each. */
const connections = 8;
const atOnce = 16;

/**
 * Sends so many requests, as they are written by `request`, as quickly as they are answered: pipelined, since what writes and counts them has to cost less than what answers them.
 * @returns how many were answered with which status
 * @throws Error where a connection ends before all is answered
 */
export async function floodPipelined(url: string, count: number, request: (nth: number) => string): Promise<Map<number, number>> {
  const statuses = new Map<number, number>();
  let next = 0;
  const one = async (): Promise<void> => {
    const socket = openRaw(url).setNoDelay(true).setEncoding('latin1');
    await once(socket, 'connect');
    while (next < count) {
      const batch = Math.min(atOnce, count - next);
      let text = '';
      for (const end = next + batch; next < end; next += 1) text += request(next);
      socket.write(text);
      for (const status of await heard(socket, batch)) statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
    socket.destroy();
  };
  await Promise.all(Array.from({ length: connections }, one));
  return statuses;
}

const head = /HTTP\/1\.1 (\d{3}) (?:[^\r\n]*\r\n)+?content-length: (\d+)\r\n(?:[^\r\n]+\r\n)*\r\n/gi;

/** The statuses of so many whole answers. */
function heard(socket: Socket, count: number): Promise<number[]> {
  return new Promise((resolve, reject) => {
    let text = '';
    const ended = (): void => reject(new Error(`a connection of a flood ended after: ${text.slice(-500)}`));
    const onData = (chunk: string): void => {
      text += chunk;
      const statuses = wholeAnswers(text);
      if (statuses.length < count) return;
      socket.off('data', onData).off('close', ended).off('error', ended);
      resolve(statuses);
    };
    socket.on('data', onData).once('close', ended).once('error', ended);
  });
}

function wholeAnswers(text: string): number[] {
  const found: number[] = [];
  for (head.lastIndex = 0; ; ) {
    const match = head.exec(text);
    const end = match ? head.lastIndex + Number(match[2]) : Number.POSITIVE_INFINITY;
    if (!match || end > text.length) return found;
    found.push(Number(match[1]));
    head.lastIndex = end;
  }
}
