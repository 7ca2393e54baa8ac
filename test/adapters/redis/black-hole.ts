import { once } from 'node:events';
import { createServer, connect as dial, type Socket } from 'node:net';

/** A way to a server that can swallow what goes through it: connections stay open and nothing arrives, as when a firewall forgets them. */
export async function openWay(port: number): Promise<{
  port: number;
  /** Connections there are now carry nothing any more; later ones do. */
  swallow(): void;
  close(): void;
}> {
  const open = new Set<Socket>();
  const way = createServer((near) => {
    const far = dial(port, '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(from);
      from.pipe(to);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        open.delete(from);
        to.destroy();
      });
    }
  }).listen(0, '127.0.0.1');
  await once(way, 'listening');
  const address = way.address();
  if (address === null || typeof address === 'string') throw new Error('The system gave no port.');
  return {
    port: address.port,
    swallow: () => {
      for (const socket of open) socket.unpipe().resume();
    },
    close: () => {
      way.close();
      for (const socket of open) socket.destroy();
    },
  };
}
