import { describe, expect, it } from 'vitest';
import { createLoad, type LoadLimits } from '../../../src/adapters/load/load.ts';

function loaded(limits: Partial<LoadLimits> = {}) {
  const lag = { standing: 0, recent: 0, worst: 0 };
  const load = createLoad({
    limits: () => ({ requestsMax: 2, bodiesBytesMax: 100, loopLagMsMax: 500, ...limits }),
    lag: { standingMs: () => lag.standing, recentMs: () => lag.recent, worstMs: () => lag.worst, close: () => undefined },
  });
  return { load, lag };
}

describe('requests under way', () => {
  it('are taken up to the bound; what is refused takes no place, and a place that is left is free', () => {
    const { load } = loaded();
    const [first, second] = [load.enter(), load.enter()];
    expect([first.refusal, second.refusal]).toEqual([undefined, undefined]);
    const third = load.enter();
    expect(third.refusal).toMatchObject({ reason: 'OVERLOADED', facts: { retryAfterMs: 1_000 } });
    third.leave();
    expect(load.requests).toBe(2);
    first.leave();
    first.leave();
    expect(load.requests).toBe(1);
    expect(load.enter().refusal).toBeUndefined();
  });

  it('a stream gives its place up once, however often that is said', () => {
    const { load } = loaded({ requestsMax: 1 });
    const stream = load.enter();
    stream.giveWay();
    stream.giveWay();
    expect(load.requests).toBe(0);
    expect(load.enter().refusal).toBeUndefined();
    stream.leave();
    expect(load.requests).toBe(1);
  });

  it('the same refusal is thrown for each request of a flood', () => {
    const { load } = loaded({ requestsMax: 1 });
    load.enter();
    expect(load.enter().refusal).toBe(load.enter().refusal);
  });
});

describe('bodies under way', () => {
  it('are counted until their request leaves, a refused one too; a full house takes no more', () => {
    const { load } = loaded();
    const one = load.enter();
    expect(one.keep(60)).toBe(true);
    expect(one.keep(60)).toBe(false);
    expect(load.bodyBytes).toBe(120);
    expect(load.enter().refusal).toMatchObject({ reason: 'OVERLOADED' });
    one.leave();
    expect(load.bodyBytes).toBe(0);
    expect(load.enter().refusal).toBeUndefined();
  });

  it('of a stream they are counted until it ends', () => {
    const { load } = loaded();
    const stream = load.enter();
    stream.keep(40);
    stream.giveWay();
    expect(load.bodyBytes).toBe(40);
    stream.leave();
    expect(load.bodyBytes).toBe(0);
  });
});

describe('a late event loop', () => {
  it('sheds while it stays late, and not for one long task', () => {
    const { load, lag } = loaded();
    lag.recent = 2_000;
    expect(load.enter().refusal).toBeUndefined();
    lag.standing = 501;
    expect(load.enter().refusal).toMatchObject({ reason: 'OVERLOADED' });
  });

  it('A55: one long task is told to whoever asks whether traffic should come here', () => {
    const { load, lag } = loaded();
    expect(load.trouble()).toBeUndefined();
    lag.recent = 2_000;
    expect(load.trouble()).toBe('the event loop was blocked for 2000 ms');
  });
});
