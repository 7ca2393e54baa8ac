import type { IncomingMessage } from 'node:http';
import { Denial } from '../domain/denial.ts';
import type { RequestPlace } from '../ports/load.ts';

/**
 * The body's bytes.
 * @throws Denial MESSAGE_TOO_LARGE as soon as the length is known or the bound is passed, OVERLOADED where all bodies together are too much
 */
export function readBody(incoming: IncomingMessage, bytesMax: number, place?: RequestPlace): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const tooLarge = () => new Denial('MESSAGE_TOO_LARGE', { facts: { limit: bytesMax } });
  const declared = incoming.headers['content-length'];
  if (declared !== undefined && Number(declared) > bytesMax) {
    reject(tooLarge());
    return promise;
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  incoming.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    const fits = place?.keep(chunk.length) ?? true;
    if (fits && bytes <= bytesMax) return void chunks.push(chunk);
    chunks.length = 0;
    incoming.pause();
    incoming.removeAllListeners('data');
    reject(bytes > bytesMax ? tooLarge() : new Denial('OVERLOADED', { detail: 'Too much is being sent at once.' }));
  });
  incoming.on('end', () => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)));
  // Clients leave all the time; that is no fault of anybody's here, so no cause is carried that would be logged as one.
  incoming.on('error', () => reject(new Denial('INVALID_MESSAGE', { detail: 'The body ended early.' })));
  return promise;
}
