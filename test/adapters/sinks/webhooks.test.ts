import { createHmac } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Webhook } from '../../../src/adapters/sinks/endpoint.ts';
import { createWebhooks } from '../../../src/adapters/sinks/webhooks.ts';
import type { Duties } from '../../../src/ports/duties.ts';
import type { RecordedRequest } from '../../support/recorded-request.ts';
import { type RecordingServer, startRecordingServer } from '../../support/recording-server.ts';
import { fakeClock, fakeDuties, fakeJournal, fakeLog } from './fakes.ts';

const secret = 'a-secret-of-the-receiver';

async function receiver(
  respond: (request: RecordedRequest, response: ServerResponse) => void | Promise<void> = ok,
): Promise<RecordingServer> {
  const server = await startRecordingServer(respond);
  onTestFinished(() => server.close());
  return server;
}

function ok(_: RecordedRequest, response: ServerResponse): void {
  response.writeHead(204).end();
}

const status =
  (code: number, headers: Record<string, string> = {}) =>
  (_: RecordedRequest, response: ServerResponse) =>
    void response.writeHead(code, headers).end();

/** What the receiver was told, in order: the ids of the messages. */
const ids = ({ requests }: RecordingServer) => requests.map(({ headers }) => headers['webhook-id']);

function world({ lazy = false } = {}) {
  const clock = fakeClock();
  const journal = fakeJournal(clock, { lazy });
  const duties = fakeDuties();
  const { log, lines } = fakeLog();
  const start = (webhooks: readonly Webhook[], options: { process?: string; duties?: Duties } = {}) => {
    const own = options.duties ?? duties.of(options.process ?? 'one');
    const sink = createWebhooks({ journal, duties: own, clock, log, random: () => 1, webhooks });
    onTestFinished(() => sink.close());
    const round = async (): Promise<void> => {
      await sink.round();
      await sink.settled();
    };
    return { ...sink, round, start: sink.round };
  };
  return { clock, journal, duties, lines, start };
}

const to = ({ port }: { port: number }, more: Partial<Webhook> = {}): Webhook => ({
  ...{ url: `http://127.0.0.1:${port}/hook?token=hunter2`, secrets: [secret], kinds: ['limit.threshold'], timeoutMs: 5_000 },
  ...more,
});

describe('a receiver that answers', () => {
  it('gets every record of the wanted kinds, in order, once, signed', async () => {
    const { clock, journal, start } = world();
    const server = await receiver();
    journal.append('key.minted');
    journal.append('limit.threshold', { threshold: 50 });
    for (let count = 0; count < 450; count += 1) journal.append('call.intent');
    journal.append('limit.threshold', { threshold: 80 });
    const sink = start([to(server)]);
    await sink.round();
    await sink.round();
    journal.append('limit.threshold', { threshold: 100 });
    await sink.round();
    expect(ids(server)).toEqual(['main-2', 'main-453', 'main-454']);
    const [first] = server.requests;
    if (!first) throw new Error('nothing came');
    const { headers, body, url, method } = first;
    expect({ method, url, type: headers['content-type'] }).toEqual({
      method: 'POST',
      url: '/hook?token=hunter2',
      type: 'application/json',
    });
    expect(JSON.parse(body)).toMatchObject({ type: 'limit.threshold', data: { seq: 2, threshold: 50 } });
    const seconds = String(clock.now() / 1000);
    const expected = createHmac('sha256', secret).update(`main-2.${seconds}.${body}`).digest('base64');
    expect(headers).toMatchObject({ 'webhook-timestamp': seconds, 'webhook-signature': `v1,${expected}` });
  });

  it('gets every kind where it wants all', async () => {
    const { journal, start } = world();
    const server = await receiver();
    for (const kind of ['key.minted', 'call.intent', 'gap'] as const) journal.append(kind);
    await start([to(server, { kinds: ['*'] })]).round();
    expect(ids(server)).toEqual(['main-1', 'main-2', 'main-3']);
  });

  it('goes on where another life of the process stopped', async () => {
    const { journal, start } = world();
    const server = await receiver();
    journal.append('limit.threshold');
    const first = start([to(server)]);
    await first.round();
    await first.close();
    journal.append('limit.threshold');
    await start([to(server)], { process: 'two' }).round();
    expect(ids(server)).toEqual(['main-1', 'main-2']);
  });

  it('has come past what it does not want, and past each record once it was delivered', async () => {
    const { duties, journal, start } = world();
    const answers: ServerResponse[] = [];
    const server = await receiver((_, response) => void answers.push(response));
    const at = () => [...duties.progress].find(([name]) => !name.endsWith('begun'))?.[1];
    for (let count = 0; count < 5; count += 1) journal.append('call.intent');
    const sink = start([to(server)]);
    await sink.round();
    expect(at()).toBe(5);
    for (let count = 0; count < 2; count += 1) journal.append('limit.threshold');
    await sink.start();
    await server.received(1);
    answers[0]?.writeHead(200).end();
    await server.received(2);
    expect(at()).toBe(6);
  });

  it('gets nothing older than a day when it is new, and all of what is younger', async () => {
    const { clock, journal, start } = world();
    const server = await receiver();
    const day = 86_400_000;
    for (let age = 40; age >= 0; age -= 1) journal.append('limit.threshold', {}, clock.now() - age * (day / 10));
    await start([to(server)]).round();
    expect(ids(server)).toEqual(Array.from({ length: 11 }, (_, at) => `main-${31 + at}`));
  });

  it('loses nothing where it was down from the beginning for longer than that', async () => {
    const { clock, journal, start } = world();
    let answer = 500;
    const server = await receiver((_, response) => void response.writeHead(answer).end());
    journal.append('limit.threshold');
    const first = start([to(server)]);
    await first.round();
    await first.close();
    clock.pass(10 * 86_400_000);
    journal.append('limit.threshold');
    answer = 200;
    await start([to(server)]).round();
    expect(ids(server)).toEqual(['main-1', 'main-1', 'main-2']);
  });

  it('is told of what has to be made readable first, and asks for that only now and then', async () => {
    const { clock, journal, start } = world({ lazy: true });
    const server = await receiver();
    journal.append('limit.threshold');
    const sink = start([to(server)]);
    await sink.round();
    expect(ids(server)).toEqual(['main-1']);
    const asked = journal.heads;
    journal.append('limit.threshold');
    await sink.round();
    expect([journal.heads, ids(server)]).toEqual([asked, ['main-1']]);
    clock.pass(5_000);
    await sink.round();
    expect([journal.heads, ids(server)]).toEqual([asked + 1, ['main-1', 'main-2']]);
  });
});

describe('a receiver that does not', () => {
  it('is tried again after 1, 2, 4 … 300 seconds with the same id, and then gets all in order', async () => {
    const { clock, journal, lines, start } = world();
    let answer = 503;
    const server = await receiver((_, response) => void response.writeHead(answer).end());
    journal.append('limit.threshold');
    journal.append('limit.threshold');
    const sink = start([to(server)]);
    await sink.round();
    for (const seconds of [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]) {
      const before = server.requests.length;
      clock.pass(seconds * 1000 - 1);
      await sink.round();
      expect(server.requests.length).toBe(before);
      clock.pass(1);
      await sink.round();
      expect(server.requests.length).toBe(before + 1);
    }
    expect(new Set(ids(server))).toEqual(new Set(['main-1']));
    // The time is that of the attempt, so that a receiver may refuse old ones.
    expect(new Set(server.requests.map(({ headers }) => headers['webhook-timestamp'])).size).toBe(12);
    answer = 200;
    clock.pass(300_000);
    await sink.round();
    expect(ids(server).slice(-2)).toEqual(['main-1', 'main-2']);
    expect(lines.at(-1)).toMatchObject({ level: 'note', message: 'a webhook is delivered again' });
    expect(JSON.stringify(lines)).not.toContain('hunter2');
    expect(JSON.stringify(lines)).not.toContain(secret);
  });

  it.each([
    ['refuses connections', async () => ({ port: await closedPort() }), /ECONNREFUSED/],
    ['never answers', () => receiver(() => undefined), /no answer within 40 ms/],
    ['hangs up', () => receiver((_, response) => void response.destroy()), /UND_ERR_SOCKET|ECONNRESET/],
    ['redirects', () => receiver(status(307, { location: '/elsewhere' })), /status 307/],
    ['is not there', () => receiver(status(404)), /status 404/],
  ])('%s: it has failed, and the record is kept', async (_, open, reason) => {
    const { duties, journal, lines, start } = world();
    journal.append('limit.threshold');
    const endpoint = await open();
    await start([to(endpoint, { timeoutMs: 40 })]).round();
    expect(lines).toMatchObject([{ level: 'warn', facts: { reason: expect.stringMatching(reason), failures: 1 } }]);
    expect([...duties.progress].filter(([name]) => !name.endsWith('begun'))).toEqual([
      [expect.stringMatching(/^webhook [0-9a-f]{16}$/), 0],
    ]);
    if ('requests' in endpoint) expect(endpoint.requests.length).toBe(1);
  });

  it('is waited for as long as it asks, and at most five minutes', async () => {
    const { clock, journal, lines, start } = world();
    const server = await receiver((_, response) => void response.writeHead(429, { 'retry-after': '30' }).end());
    journal.append('limit.threshold');
    const sink = start([to(server)]);
    await sink.round();
    clock.pass(29_999);
    await sink.round();
    expect(server.requests.length).toBe(1);
    expect(lines).toMatchObject([{ facts: { inMs: 30_000 } }]);
    const greedy = await receiver(status(503, { 'retry-after': '999999999' }));
    await start([to(greedy)]).round();
    expect(lines.at(-1)).toMatchObject({ facts: { inMs: 300_000 } });
  });

  it('answers 410: it is left alone until the configuration is read again, and lost nothing', async () => {
    const { clock, journal, lines, start } = world();
    let answer = 410;
    const server = await receiver((_, response) => void response.writeHead(answer).end());
    journal.append('limit.threshold');
    const sink = start([to(server)]);
    await sink.round();
    expect(lines).toMatchObject([{ level: 'fault', message: expect.stringContaining('410 Gone') }]);
    answer = 200;
    clock.pass(86_400_000);
    await sink.round();
    expect(server.requests.length).toBe(1);
    sink.configure([to(server)]);
    await sink.round();
    expect(ids(server)).toEqual(['main-1', 'main-1']);
  });

  it('A50: holds up no other, however long it takes', async () => {
    const { journal, start } = world();
    const stuck = await receiver(() => undefined);
    const fine = await receiver();
    journal.append('limit.threshold');
    const sink = start([to(stuck), to(fine)]);
    await sink.start();
    await stuck.received(1);
    await fine.received(1);
    journal.append('limit.threshold');
    // The first receiver still has not answered, and rounds go on. A record may come while a round ends, so there may have to be one more.
    while (fine.requests.length < 2) {
      await sink.start();
      await new Promise(setImmediate);
    }
    expect([ids(stuck), ids(fine)]).toEqual([['main-1'], ['main-1', 'main-2']]);
  });
});

describe('several processes', () => {
  it('one sends, and another takes over when it is gone', async () => {
    const { journal, start } = world();
    const server = await receiver();
    const one = start([to(server)], { process: 'one' });
    const two = start([to(server)], { process: 'two' });
    journal.append('limit.threshold');
    await one.round();
    await two.round();
    expect(ids(server)).toEqual(['main-1']);
    await one.close();
    journal.append('limit.threshold');
    await two.round();
    expect(ids(server)).toEqual(['main-1', 'main-2']);
  });

  it('that died between answer and note: the record comes twice, under the same id', async () => {
    const { clock, duties, journal, start } = world();
    const server = await receiver();
    journal.append('limit.threshold');
    let dead = true;
    const own = duties.of('one');
    const dying: Duties = {
      ...own,
      advance: async (name, position) =>
        dead && position > 0 && !name.endsWith('begun') ? Promise.reject(new Error('the store is away')) : own.advance(name, position),
    };
    const sink = start([to(server)], { duties: dying });
    await sink.round();
    dead = false;
    clock.pass(1_000);
    await sink.round();
    expect(ids(server)).toEqual(['main-1', 'main-1']);
  });

  it('one that lost the duty in the middle of a page stops there', async () => {
    const { duties, journal, start } = world();
    const answers: ServerResponse[] = [];
    const held = await receiver((_, response) => void answers.push(response));
    for (let count = 0; count < 3; count += 1) journal.append('limit.threshold');
    const sink = start([to(held)]);
    await sink.start();
    await held.received(1);
    for (const name of duties.holders.keys()) duties.holders.set(name, 'another');
    answers[0]?.writeHead(200).end();
    await sink.settled();
    expect(ids(held)).toEqual(['main-1']);
  });
});

describe('trouble here', () => {
  it('a store that cannot be read is asked again later', async () => {
    const { clock, journal, lines, start } = world();
    const server = await receiver();
    journal.append('limit.threshold');
    const sink = start([to(server)]);
    journal.broken = new Error('the store is away');
    await sink.round();
    journal.broken = undefined;
    await sink.round();
    expect(server.requests.length).toBe(0);
    clock.pass(1_000);
    await sink.round();
    expect(ids(server)).toEqual(['main-1']);
    expect(lines[0]).toMatchObject({ level: 'warn', facts: { reason: 'the store is away' } });
  });

  it('a line that is no record is loud and stops nothing', async () => {
    const { journal, lines, start } = world();
    const server = await receiver();
    for (const text of ['{"kind":', 'null']) journal.appendText(text);
    journal.append('limit.threshold');
    await start([to(server)]).round();
    expect(ids(server)).toEqual(['main-3']);
    expect(lines.map(({ level }) => level)).toEqual(['fault', 'fault']);
  });

  it('A50: closing breaks off an attempt that hangs, and says nothing of it', async () => {
    const { duties, journal, lines, start } = world();
    const stuck = await receiver(() => undefined);
    journal.append('limit.threshold');
    const sink = start([to(stuck, { timeoutMs: 30_000 })]);
    await sink.start();
    await stuck.received(1);
    await sink.close();
    expect([lines, [...duties.holders]]).toEqual([[], []]);
  });

  it('a receiver that leaves the configuration gets nothing more; one that stays goes on with its new secret', async () => {
    const { journal, start } = world();
    const [left, stays] = [await receiver(), await receiver()];
    const sink = start([to(left), to(stays)]);
    sink.configure([to(stays, { secrets: ['another-secret-of-24-chars'] })]);
    journal.append('limit.threshold');
    await sink.round();
    expect([ids(left), ids(stays)]).toEqual([[], ['main-1']]);
    const [request] = stays.requests;
    const { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': signature } = request?.headers ?? {};
    const expected = createHmac('sha256', 'another-secret-of-24-chars').update(`${id}.${at}.${request?.body}`).digest('base64');
    expect(signature).toBe(`v1,${expected}`);
  });
});

async function closedPort(): Promise<number> {
  const server = await startRecordingServer(ok);
  await server.close();
  return server.port;
}
