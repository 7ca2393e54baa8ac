import { once } from 'node:events';
import { request as ask, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface InjectingProxy {
  /** `http://127.0.0.1:port`; paths are those of the target. */
  readonly origin: string;
  /** From now on requests go to this origin, with this header. Before that they are answered 502. */
  aim(target: { readonly origin: string; readonly header: { readonly name: string; readonly value: string } }): void;
  close(): Promise<void>;
}

/**
 * A proxy on a free port of 127.0.0.1 that adds one header and changes nothing else, for programs that cannot be told to send one. Host and Origin
 * pass as they came, so that a server behind it still sees a foreign one. A client that leaves takes its request with it.
 */
export async function startInjectingProxy(): Promise<InjectingProxy> {
  let target: Parameters<InjectingProxy['aim']>[0] | undefined;
  const server = createServer((incoming, outgoing) => {
    if (target === undefined) return void outgoing.writeHead(502).end();
    const { hostname, port } = new URL(target.origin);
    const headers = [...incoming.rawHeaders, target.header.name, target.header.value];
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
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    aim(aimed) {
      target = aimed;
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
