import { createServer, type Server } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { reservePort } from '../../src/edges/reserve-port.ts';

const host = '127.0.0.1';
const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await new Promise((closed) => server.close(closed));
});

function listen(port: number, reusePort: boolean): Promise<number> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, reusePort }, () => {
      servers.push(server);
      const address = server.address();
      resolve(typeof address === 'object' && address ? address.port : 0);
    });
  });
}

it('keeps a port for those that share it, and from anybody else', async () => {
  const kept = await reservePort({ host, port: 0 });
  expect(kept.port).toBeGreaterThan(0);
  await expect(listen(kept.port, false)).rejects.toThrow('EADDRINUSE');
  expect(await listen(kept.port, true)).toBe(kept.port);
  expect(await listen(kept.port, true)).toBe(kept.port);
  await kept.release();
});

it.each([false, true])('is refused a port that somebody listens on, also where they would share it (%s)', async (reusePort) => {
  const port = await listen(0, reusePort);
  await expect(reservePort({ host, port })).rejects.toThrow(`cannot listen on ${host}:${port}: listen EADDRINUSE`);
});
