import { afterEach, expect, test, vi } from 'vitest';
import { ask } from '../../../src/adapters/upstream/ask.ts';
import type { Upstreams } from '../../../src/ports/upstreams.ts';

afterEach(() => {
  vi.useRealTimers();
});

test('an answer that comes in drops and never ends is a timeout', async () => {
  vi.useFakeTimers();
  const upstreams: Upstreams = {
    dispatch(_request, receiver) {
      receiver.onHead(200, { 'content-type': 'application/json' });
      const drops = setInterval(() => receiver.onChunk(Buffer.from(' ')), 1_000);
      return {
        resume: () => undefined,
        abort() {
          clearInterval(drops);
          receiver.onFailure({ kind: 'aborted', sent: true, cause: undefined });
        },
      };
    },
  };
  const asking = ask(upstreams, { upstream: 'up', method: 'POST', message: undefined, headers: [] });
  const late = expect(asking).rejects.toMatchObject({ reason: 'UPSTREAM_TIMEOUT' });
  await vi.advanceTimersByTimeAsync(10_000);
  await late;
  expect(vi.getTimerCount()).toBe(0);
});
