import { afterEach, describe, expect, it } from 'vitest';
import { type Listener, listen } from '../../src/edges/listen.ts';

type First = Parameters<typeof listen>[0]['first'];

const open: Listener[] = [];
afterEach(async () => {
  for (const listener of open.splice(0)) await listener.close(Promise.resolve());
});

async function listening(first: First): Promise<string> {
  return (await listenerOf(first)).url;
}

async function listenerOf(first: First): Promise<Listener> {
  const listener = await listen({
    fetch: () => new Response('by the router'),
    ...(first && { first }),
    ...{ host: '127.0.0.1', port: 0 },
    limits: { headerBytesMax: 16_384, headersTimeoutMs: 5_000, bodyTimeoutMs: 5_000, connectionsMax: 10 },
    unread: (status) => ({ contentType: 'application/json', body: JSON.stringify({ status }) }),
  });
  open.push(listener);
  return listener;
}

describe('what is asked before the router', () => {
  it('serves what it takes, and leaves the rest to it', async () => {
    const url = await listening(({ incoming, outgoing }) => {
      if (incoming.url !== '/mine') return undefined;
      outgoing.end('by the first');
      return Promise.resolve();
    });
    expect(await (await fetch(`${url}/mine`)).text()).toBe('by the first');
    expect(await (await fetch(`${url}/other`)).text()).toBe('by the router');
  });

  it('that fails is answered 500, and ends neither process nor listener', async () => {
    const url = await listening(({ incoming }) => (incoming.url === '/fails' ? Promise.reject(new Error('a fault')) : undefined));
    const response = await fetch(`${url}/fails`);
    expect([response.status, await response.json(), response.headers.get('connection')]).toEqual([500, { status: 500 }, 'close']);
    expect((await fetch(`${url}/other`)).status).toBe(200);
  });

  it('that fails in the middle of its answer leaves nothing that looks whole', async () => {
    const url = await listening(async ({ outgoing }) => {
      outgoing.writeHead(200, { 'content-length': '100' }).write('half');
      throw new Error('a fault');
    });
    await expect(fetch(url).then((response) => response.text())).rejects.toThrow();
  });
});

describe('a request', () => {
  it('is begun at the end of the turn in which it was parsed, with the others of that turn', async () => {
    const begun: (string | undefined)[] = [];
    const { url, server } = await listenerOf(({ incoming, outgoing }) => {
      begun.push(incoming.url);
      outgoing.end('served');
      return Promise.resolve();
    });
    const seen: number[] = [];
    server.on('request', () => seen.push(begun.length));
    await fetch(`${url}/one`);
    expect([seen, begun]).toEqual([[0], ['/one']]);
  });

  it('whose client has gone before its turn was over is not begun', async () => {
    const begun: (string | undefined)[] = [];
    const { url, server } = await listenerOf(({ incoming, outgoing }) => {
      begun.push(incoming.url);
      outgoing.end('served');
      return Promise.resolve();
    });
    server.prependListener('request', ({ url: path, socket }) => {
      if (path === '/gone') socket.destroy();
    });
    await expect(fetch(`${url}/gone`)).rejects.toThrow();
    expect(await (await fetch(`${url}/there`)).text()).toBe('served');
    expect(begun).toEqual(['/there']);
  });
});
