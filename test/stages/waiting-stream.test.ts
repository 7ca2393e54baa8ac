import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { messagesOf } from '../support/event-text.ts';
import { type Attempt, startAttempt } from './attempt.ts';

const event = (message: object) => Buffer.from(`data: ${JSON.stringify({ jsonrpc: '2.0', ...message })}\n\n`);
const note = (text: string) => event({ method: 'notifications/message', params: { text } });
const status = (taskId: string) => event({ method: 'notifications/tasks/status', params: { taskId, status: 'working' } });
const answer = event({ id: 1, result: { content: [] } });

/** A stream in whose middle the store is asked about a task; the test answers for the store. */
async function waiting(): Promise<{ attempt: Attempt; own: (is: boolean) => void; fail: () => void }> {
  const asked = Promise.withResolvers<readonly boolean[]>();
  const attempt = await startAttempt({ remembers: () => asked.promise });
  attempt.upstream.onHead(200, { 'content-type': 'text/event-stream' });
  return { attempt, own: (is) => asked.resolve([is]), fail: () => asked.reject(new Error('down')) };
}

const seen = (attempt: Attempt) =>
  messagesOf(attempt.got()).map(({ method, params, result }) => (params as { text?: string })?.text ?? method ?? typeof result);

describe('an event stream that waits for the store', () => {
  it('keeps the order, holds the upstream back, and goes on', async () => {
    const { attempt, own } = await waiting();
    expect(attempt.upstream.onChunk(note('one'))).toBe(true);
    expect(attempt.upstream.onChunk(Buffer.concat([status('t1'), note('two'), note('three')]))).toBe(false);
    await turn();
    expect(seen(attempt)).toEqual(['one']);
    expect(attempt.resumed()).toBe(0);
    own(true);
    await turn();
    expect(seen(attempt)).toEqual(['one', 'notifications/tasks/status', 'two', 'three']);
    expect(attempt.resumed()).toBe(1);
    expect(attempt.upstream.onChunk(answer)).toBe(true);
    attempt.upstream.onEnd();
    expect((await attempt.settled).outcome).toMatchObject({ status: 200 });
    expect(seen(attempt).at(-1)).toBe('object');
  });

  it('ends with the answer that waits behind it, also where the upstream breaks off meanwhile', async () => {
    for (const end of ['onEnd', 'onFailure'] as const) {
      const { attempt, own } = await waiting();
      attempt.upstream.onChunk(Buffer.concat([status('t1'), answer]));
      if (end === 'onEnd') attempt.upstream.onEnd();
      else attempt.upstream.onFailure({ kind: 'reset', sent: true, cause: undefined });
      await turn();
      expect(seen(attempt)).toEqual([]);
      own(false);
      expect((await attempt.settled).charge).toBe(100_000);
      expect(seen(attempt)).toEqual(['object']);
    }
  });

  it('is cut at once, and nothing of what waits comes afterwards', async () => {
    const { attempt, own } = await waiting();
    attempt.upstream.onChunk(Buffer.concat([status('t1'), answer]));
    attempt.cut('TOKEN_REVOKED');
    attempt.upstream.onFailure({ kind: 'aborted', sent: true, cause: undefined });
    expect((await attempt.settled).outcome).toMatchObject({ reason: 'TOKEN_REVOKED' });
    const got = attempt.got();
    expect(got).toContain('TOKEN_REVOKED');
    own(true);
    await turn();
    expect(attempt.got()).toBe(got);
  });

  it('shows nothing of a task where the store does not answer, and everything else (I6)', async () => {
    const { attempt, fail } = await waiting();
    attempt.upstream.onChunk(Buffer.concat([status('t1'), note('two'), answer]));
    fail();
    await turn();
    attempt.upstream.onEnd();
    await attempt.settled;
    expect(seen(attempt)).toEqual(['two', 'object']);
    expect(attempt.faults).toEqual(['tasks could not be looked up']);
  });

  it('ends like any other where what waits is no message', async () => {
    const { attempt, own } = await waiting();
    attempt.upstream.onChunk(Buffer.concat([status('t1'), Buffer.from('data: no json\n\n'), answer]));
    own(true);
    await turn();
    expect(attempt.aborted()).toBe(true);
    attempt.upstream.onFailure({ kind: 'aborted', sent: true, cause: undefined });
    expect((await attempt.settled).outcome).toMatchObject({ reason: 'UPSTREAM_FAILED' });
    expect(attempt.got()).not.toContain('"content"');
  });
});
