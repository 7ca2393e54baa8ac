import { once } from 'node:events';
import { request as ask, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface InjectingProxy {
  /** The target's own path, behind the proxy. */
  readonly url: string;
  close(): Promise<void>;
}

/**
 * A proxy on a free port of 127.0.0.1 that adds one header and changes nothing else, for programs that cannot be told to send one. Host and Origin
 * pass as they came, so that a server behind it still sees a foreign one. A client that leaves takes its request with it.
 */
export async function startInjectingProxy(target: string, header: { name: string; value: string }): Promise<InjectingProxy> {
  const { hostname, port, pathname } = new URL(target);
  const server = createServer((incoming, outgoing) => {
    const headers = [...incoming.rawHeaders, header.name, header.value];
    const { method, url: path } = incoming;
    const onward = ask({ hostname, port, ...(method && { method }), ...(path && { path }), headers, setHost: false }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
      outgoing.flushHeaders();
      answer.pipe(outgoing);
      answer.once('error', () => outgoing.destroy());
    });
    onward.once('error', () => (outgoing.headersSent ? outgoing.destroy() : outgoing.writeHead(502).end()));
    outgoing.once('close', () => onward.destroy());
    incoming.pipe(onward);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${pathname}`,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
