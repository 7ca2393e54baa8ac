import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { capConnections, networkOf } from '../../src/edges/connection-cap.ts';

const open: (Server | Socket)[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) {
    if ('destroy' in each) each.destroy();
    else await new Promise((resolve) => each.close(resolve));
  }
});

async function serverWith(perAddressMax: number, isTrusted = (_address: string) => false) {
  const refused: string[] = [];
  const server = createServer((_incoming, outgoing) => void outgoing.end('served'));
  capConnections(server, { perAddressMax, isTrusted, refused: (address) => void refused.push(address) });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.push(server);
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The system gave no port.');
  const dial = async (localAddress = '127.0.0.1'): Promise<Socket> => {
    const socket = connect({ port: address.port, host: '127.0.0.1', localAddress });
    socket.on('error', () => undefined);
    open.push(socket);
    await once(socket, 'connect');
    return socket;
  };
  return { server, refused, dial };
}

/** The first line of the answer to a request on this connection, or `closed`. */
async function askOn(socket: Socket): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  socket.once('data', (bytes: Buffer) => resolve(bytes.toString('latin1').split('\r\n')[0] ?? ''));
  socket.once('close', () => resolve('closed'));
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
  return promise;
}

describe('connections of one address', () => {
  it('one more is closed at once, told, and leaves those before it and those of others alone', async () => {
    const { refused, dial } = await serverWith(2);
    const [first, second] = [await dial(), await dial()];
    expect(await askOn(await dial())).toBe('closed');
    expect(refused).toEqual(['127.0.0.1']);
    expect(await askOn(await dial('127.0.0.2'))).toBe('HTTP/1.1 200 OK');
    expect([await askOn(first), await askOn(second)]).toEqual(['HTTP/1.1 200 OK', 'HTTP/1.1 200 OK']);
  });

  it('one that has gone makes room', async () => {
    const { server, dial } = await serverWith(1);
    const accepted = once(server, 'connection');
    const first = await dial();
    const [inside] = (await accepted) as [Socket];
    const gone = once(inside, 'close');
    first.destroy();
    await gone;
    expect(await askOn(await dial())).toBe('HTTP/1.1 200 OK');
  });

  it('those of a trusted proxy are not counted', async () => {
    const { refused, dial } = await serverWith(1, (address) => address === '127.0.0.1');
    for (let nth = 0; nth < 3; nth += 1) expect(await askOn(await dial())).toBe('HTTP/1.1 200 OK');
    expect(refused).toEqual([]);
  });
});

describe('what counts as one address', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:aaaa::1', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
  ])('%s is %s', (address, network) => expect(networkOf(address)).toBe(network));
});
