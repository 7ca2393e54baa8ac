import { createServer } from 'node:net';

/** A port that several processes are going to listen on. */
export interface ReservedPort {
  /** The one that the system chose, where 0 was asked for. */
  readonly port: number;
  /** They listen: what came here meanwhile is cut off. */
  release(): Promise<void>;
}

/**
 * Finds out that nobody else listens on a port, which those that share it would not notice, and keeps it for them until they do. Where any free one will
 * do, the system chooses none that others share.
 * @throws Error with the address where it cannot be had
 */
export async function reservePort({ host, port }: { host: string; port: number }): Promise<ReservedPort> {
  if (port !== 0) await (await open({ host, port, reusePort: false })).release();
  return await open({ host, port, reusePort: true });
}

function open(place: { host: string; port: number; reusePort: boolean }): Promise<ReservedPort> {
  const { promise, resolve, reject } = Promise.withResolvers<ReservedPort>();
  const server = createServer((socket) => socket.destroy());
  server.once('error', (cause) => reject(new Error(`cannot listen on ${place.host}:${place.port}: ${cause.message}`, { cause })));
  server.listen(place, () => {
    const address = server.address();
    resolve({
      port: address !== null && typeof address === 'object' ? address.port : place.port,
      release: () => new Promise((closed) => server.close(() => closed())),
    });
  });
  return promise;
}
