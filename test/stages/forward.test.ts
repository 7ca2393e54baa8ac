import { describe, expect, it } from 'vitest';
import type { Ending } from '../../src/domain/charge.ts';
import { Denial } from '../../src/domain/denial.ts';
import { type Attempt, due, held, startAttempt } from './attempt.ts';

const none = { error: 'none', toolError: 'none', timeout: 'none', lost: 'none' } as const;
const full = { error: 'full', toolError: 'full', timeout: 'full', lost: 'full' } as const;
/** No terms, each term alone, and all of them. */
const terms = [
  undefined,
  ...(['error', 'toolError', 'timeout', 'lost'] as const).map((name) => ({ ...full, [name]: 'none' as const })),
  none,
];

const json = { 'content-type': 'application/json' };
const events = { 'content-type': 'text/event-stream' };
const result = '{"jsonrpc":"2.0","id":1,"result":{"content":[]}}';
const toolError = '{"jsonrpc":"2.0","id":1,"result":{"content":[],"isError":true}}';
const rpcError = '{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"no"}}';
const failure = (kind: 'connect' | 'timeout' | 'reset' | 'aborted', sent = true) => ({ kind, sent, cause: undefined });

/** The answer whole, or begun and not ended. */
function say({ upstream }: Attempt, form: 'json' | 'events', text: string, { ends = true, id = undefined as string | undefined } = {}) {
  upstream.onHead(200, form === 'json' ? json : events);
  const event = `${id === undefined ? '' : `id: ${id}\n`}data: ${text}\n\n`;
  upstream.onChunk(Buffer.from(form === 'json' ? text : event));
  if (ends) upstream.onEnd();
}

const leave = (attempt: Attempt) => {
  attempt.leave();
  expect(attempt.aborted()).toBe(true);
  attempt.upstream.onFailure(failure('aborted'));
};

const endings: [name: string, ending: Ending, play: (attempt: Attempt) => void][] = [
  ...(['json', 'events'] as const).flatMap((form): typeof endings => [
    [`${form}: a result`, 'answered', (attempt) => say(attempt, form, result)],
    [`${form}: a tool error`, 'tool-error', (attempt) => say(attempt, form, toolError)],
    [`${form}: a JSON-RPC error`, 'error', (attempt) => say(attempt, form, rpcError)],
    [`${form}: no JSON`, 'error', (attempt) => say(attempt, form, '{')],
    [`${form}: no message`, 'error', (attempt) => say(attempt, form, '{"a":1}')],
    [`${form}: two results`, 'error', (attempt) => say(attempt, form, '{"jsonrpc":"2.0","id":1,"result":{},"result":{}}')],
    [`${form}: another id`, 'error', (attempt) => say(attempt, form, result.replace('1', '2').replace('"id":1', '"id":"1"'))],
    [`${form}: too long`, 'error', (attempt) => tooLong(attempt, form)],
    [`${form}: encoded`, 'error', (attempt) => encoded(attempt, form)],
    [`${form}: silence`, 'timeout', (attempt) => broken(attempt, form, 'timeout')],
    [`${form}: reset`, 'lost', (attempt) => broken(attempt, form, 'reset')],
    [`${form}: the client leaves`, 'lost', (attempt) => begun(attempt, form, leave)],
    [`${form}: the client leaves, and then the upstream is too late`, 'lost', (attempt) => begun(attempt, form, leaveToLate)],
    [`${form}: cut off here`, 'lost', (attempt) => begun(attempt, form, (running) => cutOff(running))],
  ]),
  ['an HTTP error', 'error', ({ upstream }) => status(upstream, 500, '{}')],
  ['an HTTP error with a message', 'error', ({ upstream }) => status(upstream, 400, rpcError)],
  ['a lost session', 'error', ({ upstream }) => status(upstream, 404, '')],
  ['202', 'error', ({ upstream }) => status(upstream, 202, '')],
  ['an empty body', 'error', ({ upstream }) => status(upstream, 200, '')],
  ['silence before the head', 'timeout', ({ upstream }) => upstream.onFailure(failure('timeout'))],
  ['reset before the head', 'lost', ({ upstream }) => upstream.onFailure(failure('reset'))],
  ['the client leaves before the head', 'lost', leave],
  ['the client leaves before the head, and then the upstream is too late', 'lost', leaveToLate],
  ['cut off before the head', 'lost', (attempt) => cutOff(attempt)],
  ['an end before the head', 'lost', ({ upstream }) => upstream.onEnd()],
  [
    'a stream without an answer',
    'lost',
    ({ upstream }) => {
      upstream.onHead(200, events);
      upstream.onEnd();
    },
  ],
  ['a stream of notifications', 'lost', (attempt) => say(attempt, 'events', '{"jsonrpc":"2.0","method":"notifications/message"}')],
  ['no connection', 'not-sent', ({ upstream }) => upstream.onFailure(failure('connect', false))],
  ['no connection in time', 'not-sent', ({ upstream }) => upstream.onFailure(failure('timeout', false))],
  [
    'the client leaves while it waits for a connection',
    'not-sent',
    (attempt) => {
      attempt.leave();
      attempt.upstream.onFailure(failure('aborted', false));
    },
  ],
  [
    'cut off while it waits for a connection',
    'not-sent',
    (attempt) => {
      attempt.cut('DRAINING');
      attempt.upstream.onFailure(failure('aborted', false));
    },
  ],
];

function begun(attempt: Attempt, form: 'json' | 'events', then: (attempt: Attempt) => void): void {
  const text = form === 'json' ? result.slice(0, 20) : '{"jsonrpc":"2.0","method":"notifications/message"}';
  say(attempt, form, text, { ends: false });
  then(attempt);
}

function leaveToLate({ leave: leaveNow, upstream }: Attempt): void {
  leaveNow();
  upstream.onFailure(failure('timeout'));
}

function broken(attempt: Attempt, form: 'json' | 'events', kind: 'timeout' | 'reset'): void {
  begun(attempt, form, ({ upstream }) => upstream.onFailure(failure(kind)));
}

function cutOff(attempt: Attempt, why: Parameters<Attempt['cut']>[0] = 'TOKEN_REVOKED'): void {
  attempt.cut(why);
  attempt.upstream.onFailure(failure('aborted'));
}

function tooLong(attempt: Attempt, form: 'json' | 'events'): void {
  say(attempt, form, 'x'.repeat(20_000), { ends: false });
  expect(attempt.aborted()).toBe(true);
  attempt.upstream.onFailure(failure('aborted'));
}

function encoded({ upstream }: Attempt, form: 'json' | 'events'): void {
  upstream.onHead(200, { ...(form === 'json' ? json : events), 'content-encoding': 'br' });
  upstream.onChunk(Buffer.from(form === 'json' ? result : `data: ${result}\n\n`));
  upstream.onEnd();
}

function status(upstream: Attempt['upstream'], code: number, text: string): void {
  upstream.onHead(code, json);
  if (text !== '') upstream.onChunk(Buffer.from(text));
  upstream.onEnd();
}

describe('A31: what is charged is decided by how the call ended and by the rule, never by the form of the answer', () => {
  it.each(endings)('%s: %s', async (_name, ending, play) => {
    for (const charge of terms) {
      const attempt = await startAttempt(charge ? { rule: { charge } } : {});
      play(attempt);
      const { released, outcome, ...settled } = await attempt.settled;
      expect({ charge: settled.charge, released }).toEqual({ charge: due(ending, charge), released: ending === 'not-sent' });
      expect(outcome).toMatchObject({ kind: 'call.outcome', charged: settled.charge === 0 ? '0' : '0.1' });
      expect(outcome.ending).toBe(ending === 'answered' ? undefined : ending);
      expect(attempt.faults).toEqual([]);
    }
  });

  it('a call without a price has an outcome without an ending', async () => {
    const attempt = await startAttempt({ price: 0, rule: { charge: none } });
    attempt.upstream.onFailure(failure('reset'));
    const { charge, outcome } = await attempt.settled;
    expect(charge).toBe(0);
    expect(outcome?.ending).toBeUndefined();
  });

  it.each([
    ['the client is gone already', { gone: true }],
    ['the upstream has left', { dispatch: () => refuse(new Denial('UPSTREAM_FAILED')) }],
    ['a fault before anything is sent', { dispatch: () => refuse(new Error('no')) }],
  ])('%s: nothing was sent, and the hold is released', async (_name, more) => {
    const attempt = await startAttempt({ ...more, rule: { charge: full } });
    expect(await attempt.settled).toMatchObject({ charge: 0, released: true, outcome: { charged: '0', ending: 'not-sent' } });
  });

  it('a fault in here while the answer passes leaves the answer unknown', async () => {
    for (const charge of [full, none]) {
      const attempt = await startAttempt({ rule: { charge } });
      attempt.upstream.onHead(200, json);
      attempt.upstream.onChunk(null as never);
      expect(attempt.aborted()).toBe(true);
      attempt.upstream.onFailure(failure('aborted'));
      expect(await attempt.settled).toMatchObject({ charge: due('lost', charge), outcome: { ending: 'lost', status: 'fault' } });
      expect(attempt.faults).toEqual(['a request failed inside the gateway']);
    }
  });

  it('a list that is none is an error, as JSON and as an event', async () => {
    for (const form of ['json', 'events'] as const) {
      const attempt = await startAttempt({ method: 'tools/list', rule: { subject: 'methods', charge: { ...full, error: 'none' } } });
      say(attempt, form, '{"jsonrpc":"2.0","id":1,"result":{"tools":7}}');
      expect(await attempt.settled).toMatchObject({ charge: 0, outcome: { ending: 'error', reason: 'UPSTREAM_FAILED' } });
    }
  });

  it('only a result of a tool can be a tool error', async () => {
    const attempt = await startAttempt({ method: 'resources/read', rule: { subject: 'resources', charge: none } });
    say(attempt, 'json', toolError);
    const { charge, outcome } = await attempt.settled;
    expect(charge).toBe(held);
    expect(outcome?.ending).toBeUndefined();
  });
});

function refuse(thrown: Error): never {
  throw thrown;
}

describe('an answer that has passed is charged as what it was, whatever comes after it', () => {
  const after: [string, (attempt: Attempt) => void][] = [
    ['a reset', ({ upstream }) => upstream.onFailure(failure('reset'))],
    ['silence', ({ upstream }) => upstream.onFailure(failure('timeout'))],
    ['the client leaves', leave],
    ['the key is revoked', (attempt) => cutOff(attempt)],
    [
      'an event that is no message',
      ({ upstream }) => {
        upstream.onChunk(Buffer.from('data: {\n\n'));
        upstream.onFailure(failure('aborted'));
      },
    ],
    [
      'a second answer',
      ({ upstream }) => {
        upstream.onChunk(Buffer.from(`data: ${toolError}\n\n`));
        upstream.onEnd();
      },
    ],
  ];

  it.each(after)('%s', async (_name, then) => {
    for (const [text, ending] of [
      [result, 'answered'],
      [toolError, 'tool-error'],
      [rpcError, 'error'],
    ] as const) {
      const attempt = await startAttempt({ rule: { charge: none } });
      say(attempt, 'events', text, { ends: false });
      then(attempt);
      expect((await attempt.settled).charge).toBe(due(ending, none));
    }
  });

  it('what it states as its cost is kept too', async () => {
    const rule = { charge: none, reported: { name: 'cost', missing: 'none' } } as const;
    for (const [, then] of after) {
      const attempt = await startAttempt({ rule });
      say(attempt, 'events', '{"jsonrpc":"2.0","id":1,"result":{"_meta":{"cost":"0.03"}}}', { ends: false });
      then(attempt);
      expect(await attempt.settled).toMatchObject({ charge: 30_000, outcome: { charged: '0.03', cost: '0.03' } });
    }
  });
});

describe('A38: a stream that can be taken up again is charged in full where it ended without the answer, since the answer can still be fetched', () => {
  const note = '{"jsonrpc":"2.0","method":"notifications/message"}';
  const ends: [string, (attempt: Attempt) => void][] = [
    ['the server closes it', ({ upstream }) => upstream.onEnd()],
    ['a reset', ({ upstream }) => upstream.onFailure(failure('reset'))],
    ['silence', ({ upstream }) => upstream.onFailure(failure('timeout'))],
    ['the client leaves', leave],
    ['this process ends', (attempt) => cutOff(attempt, 'DRAINING')],
  ];
  const rule = { charge: none, reported: { name: 'cost', missing: 'none' } } as const;

  it.each(ends)('%s', async (_name, then) => {
    const attempt = await startAttempt({ rule });
    say(attempt, 'events', note, { ends: false, id: 'e1' });
    // Taking the id back binds nobody who wants an answer for nothing.
    attempt.upstream.onChunk(Buffer.from(`id:\ndata: ${note}\n\n`));
    then(attempt);
    expect(attempt.got()).toContain('id: sealed-');
    expect((await attempt.settled).charge).toBe(held);
  });

  it.each(ends)('%s; but the terms hold where the client got no id to come back with', async (_name, then) => {
    for (const [era, id] of [
      ['session', ''],
      ['stateless', 'e1'],
    ] as const) {
      const attempt = await startAttempt({ rule, era });
      say(attempt, 'events', note, { ends: false, id });
      then(attempt);
      expect((await attempt.settled).charge).toBe(0);
    }
  });

  it('an answer on such a stream is charged as what it is', async () => {
    const attempt = await startAttempt({ rule });
    say(attempt, 'events', toolError, { id: 'e1' });
    expect(await attempt.settled).toMatchObject({ charge: 0, outcome: { ending: 'tool-error' } });
  });
});

describe('settle', () => {
  it('a hold that is no amount is never charged; it is left to expire', async () => {
    const asked: true[] = [];
    const attempt = await startAttempt({ price: Number.NaN, settle: async () => void asked.push(true) });
    say(attempt, 'json', result);
    await new Promise(setImmediate);
    expect(attempt.faults).toEqual(['a call could not be charged; its hold is left to expire']);
    expect(asked).toEqual([]);
  });
});
