import { afterEach, expect, test } from 'vitest';
import { createHttpUpstreams } from '../../../src/adapters/upstream/http.ts';
import type { UpstreamFailure } from '../../../src/ports/upstreams.ts';
import { startRecordingServer } from '../../support/recording-server.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

test('a request that finds every connection taken fails in time, and is never sent', async () => {
  let reached = 0;
  const arrived = Promise.withResolvers<() => void>();
  const server = await startRecordingServer((_request, response) => {
    reached += 1;
    if (reached > 1) response.end('{}');
    else arrived.resolve(() => void response.end('{}'));
  });
  closers.push(() => server.close());
  const upstreams = createHttpUpstreams({
    targets: new Map([['up', `http://127.0.0.1:${server.port}/mcp`]]),
    limits: { callConnectionsMax: 1, streamConnectionsMax: 1, connectTimeoutMs: 1_000 },
  });
  closers.push(() => upstreams.close());
  const send = (headTimeoutMs: number) => {
    const over = Promise.withResolvers<UpstreamFailure | 'answered'>();
    upstreams.dispatch(
      {
        ...{ upstream: 'up', method: 'POST', headers: [], body: Buffer.from('{}'), era: 'session', keyId: 'key' },
        ...{ headTimeoutMs, silenceTimeoutMs: 0, long: false },
      },
      { onHead: () => undefined, onChunk: () => true, onEnd: () => over.resolve('answered'), onFailure: over.resolve },
    );
    return over.promise;
  };
  const first = send(10_000);
  const answer = await arrived.promise;
  expect(await send(50)).toMatchObject({ kind: 'timeout', sent: false });
  answer();
  expect(await first).toBe('answered');
  expect(await send(10_000)).toBe('answered');
  expect(reached).toBe(2);
});
