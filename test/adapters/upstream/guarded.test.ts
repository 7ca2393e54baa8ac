import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createGuardedUpstreams, type GuardTerms } from '../../../src/adapters/upstream/guarded.ts';
import type { Denial } from '../../../src/domain/denial.ts';
import type { RecordFacts } from '../../../src/domain/record.ts';
import type { AnswerReceiver, UpstreamFailure, UpstreamRequest } from '../../../src/ports/upstreams.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const terms: GuardTerms = {
  url: 'http://up.test/mcp',
  breaker: { failures: 3, calls: 20, openForMs: 10_000 },
  limits: { concurrencyMax: 100, queueMax: 100, connectionsMax: 100 },
};

type Ended = 'answered' | UpstreamFailure['kind'];

/** Upstreams that the test plays, behind a guard. */
function prepare(wanted: Partial<GuardTerms> = {}) {
  const received: AnswerReceiver[] = [];
  const records: RecordFacts[] = [];
  const of = (more: Partial<GuardTerms>): Map<string, GuardTerms> => new Map(['up', 'other'].map((name) => [name, { ...terms, ...more }]));
  const guarded = createGuardedUpstreams({
    upstreams: {
      dispatch(_request, receiver) {
        received.push(receiver);
        return { resume: () => undefined, abort: () => receiver.onFailure({ kind: 'aborted', sent: true, cause: undefined }) };
      },
    },
    terms: of(wanted),
    clock: { now: () => Date.now() },
    ledger: { record: async (facts) => void records.push(facts) },
    log: { note: () => undefined, warn: () => undefined, fault: () => undefined },
  });
  const send = (more: Partial<UpstreamRequest> = {}) => {
    const seen: { ended?: Ended; cause?: unknown } = {};
    const exchange = guarded.dispatch(
      {
        ...{ upstream: 'up', era: 'session', keyId: 'key', method: 'POST', headers: [] },
        headTimeoutMs: 1_000,
        silenceTimeoutMs: 0,
        long: false,
        ...more,
      },
      {
        onHead: () => undefined,
        onChunk: () => true,
        onEnd: () => {
          seen.ended = 'answered';
        },
        onFailure: ({ kind, cause }) => Object.assign(seen, { ended: kind, cause }),
      },
    );
    return { seen, exchange };
  };
  const reached = () => {
    const last = received.at(-1);
    if (!last) throw new Error('nothing was sent');
    return last;
  };
  const play = {
    fail: (kind: UpstreamFailure['kind'], sent = true) => reached().onFailure({ kind, sent, cause: undefined }),
    answer(status: number, headers: Record<string, string> = {}) {
      reached().onHead(status, headers);
      reached().onEnd();
    },
  };
  /** Makes one call that ends as told, and lets the breaker take note. */
  const once = async (end: () => void) => {
    send();
    end();
    await vi.advanceTimersByTimeAsync(0);
  };
  const refusal = (): Denial => {
    try {
      send();
    } catch (thrown) {
      return thrown as Denial;
    }
    throw new Error('the call was let in');
  };
  const state = (upstream = 'up') => guarded.health().find((health) => health.upstream === upstream)?.state;
  return { guarded, received, records, of, send, play, once, refusal, state };
}

async function opened(wanted: Partial<GuardTerms> = {}) {
  const prepared = prepare(wanted);
  for (let calls = 0; calls < 3; calls += 1) await prepared.once(() => prepared.play.fail('connect', false));
  expect(prepared.state()).toBe('open');
  return prepared;
}

describe('A49: the breaker', () => {
  test.each<[string, (play: ReturnType<typeof prepare>['play']) => void]>([
    ['refused connections', (play) => play.fail('connect', false)],
    ['heads that do not come', (play) => play.fail('timeout')],
    ['resets', (play) => play.fail('reset')],
    ['broken answers', (play) => play.fail('too-large')],
    ['server errors', (play) => play.answer(503)],
  ])('opens after as many %s in a row as its terms say, and nothing is sent then', async (_name, fail) => {
    const { once, play, state, refusal, received, records } = prepare();
    for (let calls = 0; calls < 2; calls += 1) await once(() => fail(play));
    expect(state()).toBe('closed');
    await once(() => fail(play));
    expect(state()).toBe('open');
    const sent = received.length;
    expect(refusal()).toMatchObject({ reason: 'UPSTREAM_UNAVAILABLE', facts: { retryAfterMs: 10_000, outcome: 'not-sent' } });
    await vi.advanceTimersByTimeAsync(4_000);
    expect(refusal().facts.retryAfterMs).toBe(6_000);
    expect(received.length).toBe(sent);
    expect(records).toEqual([{ kind: 'upstream.opened', upstream: 'up' }]);
    expect(state('other')).toBe('closed');
  });

  test.each<[string, (prepared: ReturnType<typeof prepare>) => void]>([
    ['clients that leave', ({ play }) => play.fail('aborted')],
    ['client errors', ({ play }) => play.answer(404)],
    ['a refused credential', ({ play }) => play.answer(401)],
    ['waiting in vain for a connection', ({ play }) => play.fail('timeout', false)],
  ])('stays closed through any number of %s', async (_name, end) => {
    const prepared = prepare();
    for (let calls = 0; calls < 30; calls += 1) await prepared.once(() => end(prepared));
    expect(prepared.state()).toBe('closed');
    expect(prepared.records).toEqual([]);
  });

  test('an answer in between begins the count anew', async () => {
    const { once, play, state } = prepare();
    for (const end of [() => play.fail('reset'), () => play.fail('reset'), () => play.answer(200), () => play.fail('reset')])
      await once(end);
    expect(state()).toBe('closed');
  });

  test('a share of the last calls opens it, however they alternate', async () => {
    const { once, play, state } = prepare({ breaker: { failures: 100, ratio: 0.4, calls: 10, openForMs: 1_000 } });
    for (let calls = 0; calls < 9; calls += 1) await once(() => (calls % 2 === 0 ? play.answer(502) : play.answer(200)));
    expect(state()).toBe('closed');
    await once(() => play.answer(502));
    expect(state()).toBe('open');
  });

  test('after its time one call tries, and no other meanwhile; an answer closes it', async () => {
    const { send, play, state, refusal, received, records } = await opened();
    await vi.advanceTimersByTimeAsync(9_999);
    expect(refusal().reason).toBe('UPSTREAM_UNAVAILABLE');
    await vi.advanceTimersByTimeAsync(1);
    const before = received.length;
    send();
    expect(state()).toBe('half-open');
    for (let calls = 0; calls < 5; calls += 1) expect(refusal().facts.retryAfterMs).toBe(1_000);
    expect(received.length).toBe(before + 1);
    play.answer(200);
    await vi.advanceTimersByTimeAsync(0);
    expect(state()).toBe('closed');
    expect(records.map(({ kind }) => kind)).toEqual(['upstream.opened', 'upstream.closed']);
    send();
  });

  test('a trial that fails opens it for its whole time again', async () => {
    const { once, play, state, refusal } = await opened();
    await vi.advanceTimersByTimeAsync(10_000);
    await once(() => play.fail('timeout'));
    expect(state()).toBe('open');
    expect(refusal().facts.retryAfterMs).toBe(10_000);
  });

  test('a trial whose client leaves decides nothing: the next call is the trial', async () => {
    const { send, play, state, refusal } = await opened();
    await vi.advanceTimersByTimeAsync(10_000);
    send().exchange.abort();
    await vi.advanceTimersByTimeAsync(0);
    expect(state()).toBe('half-open');
    send();
    expect(refusal().reason).toBe('UPSTREAM_UNAVAILABLE');
    play.answer(200);
    await vi.advanceTimersByTimeAsync(0);
    expect(state()).toBe('closed');
  });

  test('a trial that is a stream is decided when it begins', async () => {
    const { send, received, state } = await opened();
    await vi.advanceTimersByTimeAsync(10_000);
    send();
    received.at(-1)?.onHead(200, { 'content-type': 'text/event-stream' });
    await vi.advanceTimersByTimeAsync(0);
    expect(state()).toBe('closed');
  });

  test('what began before it opened says nothing afterwards', async () => {
    const { send, received, once, play, state } = prepare();
    const old = [send(), send()].map((_, at) => received[at]);
    for (let calls = 0; calls < 3; calls += 1) await once(() => play.fail('reset'));
    await vi.advanceTimersByTimeAsync(10_000);
    send();
    old[0]?.onFailure({ kind: 'timeout', sent: true, cause: undefined });
    old[1]?.onHead(200, {});
    old[1]?.onEnd();
    await vi.advanceTimersByTimeAsync(0);
    expect(state()).toBe('half-open');
  });

  test('false in the configuration means that it is always called', async () => {
    const { once, play, state } = prepare({ breaker: false });
    for (let calls = 0; calls < 100; calls += 1) await once(() => play.fail('connect', false));
    expect(state()).toBe('closed');
  });

  test('a reload keeps what is known under the same terms, and forgets it where the upstream moved', async () => {
    const { guarded, of, state } = await opened();
    guarded.configure(of({ limits: { concurrencyMax: 1, queueMax: 0, connectionsMax: 1 } }));
    expect(state()).toBe('open');
    guarded.configure(of({ url: 'http://elsewhere.test/mcp' }));
    expect(state()).toBe('closed');
    guarded.configure(new Map());
    expect(guarded.health()).toEqual([]);
  });
});

describe('A49: the bulkhead', () => {
  const narrow = { limits: { concurrencyMax: 2, queueMax: 2, connectionsMax: 2 } };

  test('calls beyond the bound wait in order, and beyond the queue they are refused; others are not affected', () => {
    const { send, received, refusal, guarded } = prepare(narrow);
    const calls = [send(), send(), send(), send()];
    expect(received.length).toBe(2);
    expect(refusal()).toMatchObject({ reason: 'OVERLOADED', facts: { retryAfterMs: 1_000, outcome: 'not-sent' } });
    send({ upstream: 'other' });
    expect(received.length).toBe(3);
    expect(guarded.health()[0]).toMatchObject({ upstream: 'up', inflight: 2, waiting: 2 });
    received[0]?.onEnd();
    expect(received.length).toBe(4);
    received[3]?.onEnd();
    expect(calls.map(({ seen }) => seen.ended)).toEqual(['answered', undefined, 'answered', undefined]);
    expect(guarded.health()[0]).toMatchObject({ inflight: 2, waiting: 0 });
  });

  test('who waits too long, or leaves, was never sent, and its place in the queue is free', async () => {
    const { send, received, guarded } = prepare(narrow);
    send();
    send();
    const [late, gone] = [send(), send()];
    gone.exchange.abort();
    expect(gone.seen).toMatchObject({ ended: 'aborted' });
    await vi.advanceTimersByTimeAsync(1_000);
    expect(late.seen.ended).toBe('timeout');
    expect(guarded.health()[0]).toMatchObject({ inflight: 2, waiting: 0 });
    for (const receiver of [...received]) receiver.onEnd();
    expect(received.length).toBe(2);
    expect(guarded.health()[0]).toMatchObject({ inflight: 0, waiting: 0 });
    expect(vi.getTimerCount()).toBe(0);
  });

  test('when the breaker opens, those who wait are told at once', async () => {
    const { send, received } = prepare({ ...narrow, breaker: { failures: 1, calls: 20, openForMs: 5_000 } });
    send();
    send();
    const waiting = [send(), send()];
    received[0]?.onFailure({ kind: 'reset', sent: true, cause: undefined });
    await vi.advanceTimersByTimeAsync(0);
    // The place that the failure freed was taken before anybody knew.
    expect(received.length).toBe(3);
    expect(waiting[0]?.seen.ended).toBeUndefined();
    expect(waiting[1]?.seen).toMatchObject({ ended: 'unavailable', cause: { reason: 'UPSTREAM_UNAVAILABLE' } });
  });

  test('a trial does not wait behind what hangs', async () => {
    const { send, received, guarded } = prepare({ ...narrow, breaker: { failures: 1, calls: 20, openForMs: 5_000 } });
    send();
    send();
    send({ long: true });
    received[2]?.onFailure({ kind: 'reset', sent: true, cause: undefined });
    await vi.advanceTimersByTimeAsync(5_000);
    send();
    expect(received.length).toBe(4);
    expect(guarded.health()[0]).toMatchObject({ state: 'half-open', inflight: 3 });
  });

  test('streams that only listen take no place', () => {
    const { send, received, guarded } = prepare(narrow);
    for (let streams = 0; streams < 5; streams += 1) send({ long: true });
    send();
    expect(received.length).toBe(6);
    expect(guarded.health()[0]).toMatchObject({ inflight: 6, waiting: 0 });
  });

  test('an attempt that throws gives its place back', () => {
    const { guarded } = prepare(narrow);
    const request = { upstream: 'up', long: false, headTimeoutMs: 1_000 };
    const receiver = { onHead: () => undefined, onChunk: () => true, onEnd: () => undefined, onFailure: () => undefined };
    const attempt = () =>
      guarded.guard(request, receiver, () => {
        throw new Error('it has just left');
      });
    for (let calls = 0; calls < 5; calls += 1) expect(attempt).toThrow('it has just left');
    expect(guarded.health()[0]).toMatchObject({ inflight: 0, waiting: 0 });
  });
});
