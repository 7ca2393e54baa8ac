import { connect } from 'node:net';

/** What one connection heard. */
export interface Heard {
  readonly text: string;
  /** Statuses of the answers whose first line is whole. */
  readonly statuses: readonly number[];
}

/** After bytes of an answer, for the rest. */
const restMs = 15;
const heardCharsMax = 1_000_000;

/**
 * Writes the bytes in one piece or in two on a connection of their own, and hears what comes until nothing does for a while.
 * @param silenceMsMax  milliseconds for an answer to what is a whole request; what is not waits for its rest, and is left
 */
export async function fire(url: string, { bytes, cutAt }: { bytes: Buffer; cutAt?: number }, silenceMsMax: number): Promise<Heard> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  const { promise: over, resolve } = Promise.withResolvers<void>();
  let text = '';
  let silence = setTimeout(resolve, 2_000);
  const waitFor = (ms: number): void => {
    clearTimeout(silence);
    silence = setTimeout(resolve, ms);
  };
  socket.setEncoding('latin1');
  socket.on('data', (chunk: string) => {
    if (text.length < heardCharsMax) text += chunk;
    waitFor(restMs);
  });
  socket.once('connect', () => waitFor(silenceMsMax));
  socket.once('close', () => resolve());
  socket.on('error', () => resolve());
  if (cutAt === undefined) socket.write(bytes);
  else {
    socket.write(bytes.subarray(0, cutAt));
    socket.once('connect', () => setImmediate(() => socket.write(bytes.subarray(cutAt))));
  }
  await over;
  clearTimeout(silence);
  socket.destroy();
  return { text, statuses: [...text.matchAll(/HTTP\/1\.1 (\d{3}) [A-Z][A-Za-z -]*\r\n/g)].map(([, status]) => Number(status)) };
}
