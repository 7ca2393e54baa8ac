import { describe, expect, it } from 'vitest';
import { createCapture, eventOf } from '../../src/edges/captured-reply.ts';
import type { Reply } from '../../src/ports/reply.ts';

/** A client's reply that only tells what becomes of it. */
function outer() {
  const gone: (() => void)[] = [];
  const drain: (() => void)[] = [];
  const state = { closed: false, headSent: false, carried: {} as Record<string, string> };
  const nothing = () => undefined;
  const reply: Reply = {
    get closed() {
      return state.closed;
    },
    get headSent() {
      return state.headSent;
    },
    carry: (headers) => void Object.assign(state.carried, headers),
    head: nothing,
    write: () => true,
    end: nothing,
    cut: nothing,
    onGone: (listener) => void gone.push(listener),
    onDrain: (listener) => void drain.push(listener),
  };
  return { reply, state, gone, drain };
}

describe('createCapture', () => {
  it('keeps head and body, and is closed once ended', async () => {
    const client = outer();
    const { reply, ended } = createCapture(client.reply)({ bytesMax: 100 });
    reply.carry({ ratelimit: 'r=1' });
    reply.head(200, { 'content-type': 'application/json' });
    expect(reply.headSent).toBe(true);
    reply.write('{"a":');
    reply.end(Buffer.from('1}'));
    expect(reply.closed).toBe(true);
    expect(await ended).toEqual({
      status: 200,
      headers: { 'content-type': 'application/json' },
      body: Buffer.from('{"a":1}'),
      whole: true,
    });
    expect(client.state.carried).toEqual({ ratelimit: 'r=1' });
  });

  it('keeps a body that comes in pieces', async () => {
    const { reply, ended } = createCapture(outer().reply)({ bytesMax: 100 });
    reply.head(200, {});
    reply.end([Buffer.from('{"a"'), Buffer.from(':1}')]);
    expect((await ended).body.toString()).toBe('{"a":1}');
  });

  it('abandoned: the gateway hears that the client has gone, once, and what was there is all', async () => {
    const { reply, ended, abandon } = createCapture(outer().reply)({ bytesMax: 100 });
    let gone = 0;
    reply.onGone(() => {
      gone += 1;
    });
    reply.head(200, {});
    reply.write('half');
    abandon();
    abandon();
    reply.write('more');
    expect(gone).toBe(1);
    expect(reply.closed).toBe(true);
    expect(await ended).toMatchObject({ body: Buffer.from('half'), whole: false });
  });

  it('what is larger than is kept is abandoned', async () => {
    const { reply, ended } = createCapture(outer().reply)({ bytesMax: 4 });
    let gone = false;
    reply.onGone(() => {
      gone = true;
    });
    reply.head(200, {});
    reply.write('abcde');
    expect(gone).toBe(true);
    expect(await ended).toMatchObject({ whole: false, body: Buffer.from('') });
  });

  it('events go on as they come, and pause with the client', async () => {
    const client = outer();
    const seen: string[] = [];
    const { reply, ended } = createCapture(client.reply)({ bytesMax: 4, onEvents: (chunk) => seen.push(chunk) < 2 });
    let drained = 0;
    reply.onDrain(() => {
      drained += 1;
    });
    reply.head(200, { 'content-type': 'text/event-stream' }, true);
    expect([reply.write('data: 1\n\n'), reply.write(Buffer.from('data: 2\n\n'))]).toEqual([true, false]);
    for (const listener of client.drain) listener();
    expect(drained).toBe(1);
    reply.end();
    for (const listener of client.drain) listener();
    expect(drained).toBe(1);
    expect(seen).toEqual(['data: 1\n\n', 'data: 2\n\n']);
    expect(await ended).toMatchObject({ body: Buffer.from(''), whole: true });
  });

  it('the client’s leaving is everyone’s who has not ended, by one listener', async () => {
    const client = outer();
    const capture = createCapture(client.reply);
    const [one, two] = [capture({ bytesMax: 9 }), capture({ bytesMax: 9 })];
    one.reply.head(202, {});
    one.reply.end();
    expect([client.gone.length, client.drain.length]).toEqual([1, 1]);
    for (const listener of client.gone) listener();
    expect([(await one.ended).whole, (await two.ended).whole]).toEqual([true, false]);
  });

  it('cut: no part of it looks whole', async () => {
    const { reply, ended } = createCapture(outer().reply)({ bytesMax: 9 });
    reply.cut();
    expect(await ended).toEqual({ status: undefined, headers: {}, body: Buffer.from(''), whole: false });
  });
});

it('A21: a body with carriage returns is one event', () => {
  expect(eventOf(Buffer.from('{\r\n"a":1,\r"b":"\\r"}'))).toBe('event: message\ndata: { \ndata: "a":1, "b":"\\r"}\n\n');
});
