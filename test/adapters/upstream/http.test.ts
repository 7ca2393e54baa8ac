import type { Dispatcher, Pool } from 'undici';
import { afterEach, expect, test } from 'vitest';
import { createHttpUpstreams, exchange } from '../../../src/adapters/upstream/http.ts';
import { lentBytesMin, ReadMemory } from '../../../src/domain/read-memory.ts';
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
    memory: new ReadMemory(),
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

test('answers that arrive at the same time in the same memory are kept apart, and given back they serve again (I4)', async () => {
  const texts = Array.from({ length: 12 }, (_, at) => String.fromCharCode(97 + at).repeat([90, 9_000, 70_000, 300_000][at % 4] ?? 0));
  const server = await startRecordingServer(({ body }, response) => {
    const text = texts[Number(body)] ?? '';
    // In two halves, between which others arrive.
    response.write(text.slice(0, text.length / 2));
    setImmediate(() => response.end(text.slice(text.length / 2)));
  });
  closers.push(() => server.close());
  const memory = new ReadMemory();
  const upstreams = createHttpUpstreams({
    targets: new Map([['up', `http://127.0.0.1:${server.port}/mcp`]]),
    limits: { callConnectionsMax: 12, streamConnectionsMax: 1, connectTimeoutMs: 1_000 },
    memory,
  });
  closers.push(() => upstreams.close());
  const ask = async (at: number): Promise<Buffer[]> => {
    const over = Promise.withResolvers<Buffer[]>();
    const pieces: Buffer[] = [];
    upstreams.dispatch(
      {
        ...{ upstream: 'up', method: 'POST', headers: [], body: Buffer.from(String(at)), era: 'session', keyId: 'key' },
        ...{ headTimeoutMs: 10_000, silenceTimeoutMs: 0, long: false },
      },
      {
        onHead: () => undefined,
        onChunk: (chunk) => pieces.push(chunk) > 0,
        onEnd: () => over.resolve(pieces),
        onFailure: () => over.reject(new Error(`answer ${at} failed`)),
      },
    );
    return over.promise;
  };
  let used = new Set<ArrayBufferLike>();
  for (const round of [1, 2, 3]) {
    const answers = await Promise.all(texts.map((_, at) => ask(at)));
    for (const [at, pieces] of answers.entries()) expect(Buffer.concat(pieces).toString() === texts[at]).toBe(true);
    const long = answers.flat().filter((piece) => piece.length >= lentBytesMin);
    if (round > 1) expect(long.some(({ buffer }) => used.has(buffer))).toBe(true);
    used = new Set(long.map(({ buffer }) => buffer));
    for (const pieces of answers) memory.giveBack(pieces);
  }
});

test('answers that end in one turn are passed on at its end, whatever their clients do meanwhile, and no failure is told after them', async () => {
  const handlers: Dispatcher.DispatchHandler[] = [];
  const pool = { dispatch: (_request: unknown, handler: Dispatcher.DispatchHandler) => handlers.push(handler) } as unknown as Pool;
  const controller = {
    abort: () => undefined,
    pause: () => undefined,
    resume: () => undefined,
  } as unknown as Dispatcher.DispatchController;
  const told: string[] = [];
  const running = ['first', 'second'].map((name) =>
    exchange(
      pool,
      '/mcp',
      {
        ...{ upstream: 'up', method: 'POST', headers: [], body: Buffer.from('{}'), era: 'session', keyId: 'key' },
        ...{ headTimeoutMs: 10_000, silenceTimeoutMs: 0, long: false },
      },
      {
        onHead: (status) => void told.push(`${name} ${status}`),
        onChunk: () => true,
        onEnd: () => void told.push(`${name} ended`),
        onFailure: () => void told.push(`${name} failed`),
      },
    ),
  );
  for (const handler of handlers) {
    handler.onRequestStart?.(controller, {});
    handler.onResponseStart?.(controller, 200, {});
    handler.onResponseEnd?.(controller, {});
  }
  expect(told).toEqual(['first 200', 'second 200']);
  running[0]?.abort();
  handlers[1]?.onResponseError?.(controller, new Error('the connection was closed'));
  await new Promise((resolve) => setImmediate(resolve));
  expect(told).toEqual(['first 200', 'second 200', 'first ended', 'second ended']);
});
