import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { type RecordedRequest, recordRequest } from './recorded-request.ts';

export interface RecordingServer {
  readonly port: number;
  /** Every request received in full, oldest first. */
  readonly requests: RecordedRequest[];
  /** Requests whose sender went away before the end of its body. */
  unfinished(): number;
  /** Resolves once at least `count` requests were received that the filter accepts; rejects after `msMax` (5,000). */
  received(count: number, filter?: (request: RecordedRequest) => boolean, msMax?: number): Promise<RecordedRequest[]>;
  /** TCP connections accepted so far. */
  connections(): number;
  /** Cuts every connection and frees the port. */
  close(): Promise<void>;
}

/** An HTTP/1.1 server on a free port of 127.0.0.1 that records each request and then lets `respond` answer it. */
export async function startRecordingServer(
  respond: (request: RecordedRequest, response: ServerResponse) => void | Promise<void>,
): Promise<RecordingServer> {
  const requests: RecordedRequest[] = [];
  const watchers = new Set<() => void>();
  let unfinished = 0;
  let connections = 0;

  const server = createServer((incoming, response) => {
    const answered = Promise.withResolvers<boolean>();
    response.once('close', () => answered.resolve(response.writableFinished));
    recordRequest(incoming, answered.promise).then(
      async (request) => {
        requests.push(request);
        for (const look of watchers) look();
        try {
          await respond(request, response);
        } catch (problem) {
          // A broken script must fail its test, not hang it.
          if (!response.headersSent) response.writeHead(599);
          response.end(String(problem));
        }
      },
      () => {
        unfinished += 1;
      },
    );
  });
  server.on('connection', () => {
    connections += 1;
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The system gave no port.');

  return {
    port: address.port,
    requests,
    unfinished: () => unfinished,
    connections: () => connections,
    received(count, filter = () => true, msMax = 5_000) {
      const found = Promise.withResolvers<RecordedRequest[]>();
      const look = () => {
        const matching = requests.filter(filter);
        if (matching.length >= count) found.resolve(matching);
      };
      const late = setTimeout(() => {
        const seen = `${requests.filter(filter).length} of ${count} expected requests after ${msMax} ms`;
        found.reject(new Error(`${seen}; all: ${requests.map((request) => `${request.method} ${request.url}`).join(', ')}`));
      }, msMax);
      watchers.add(look);
      look();
      return found.promise.finally(() => {
        clearTimeout(late);
        watchers.delete(look);
      });
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
