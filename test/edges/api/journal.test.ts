import { type IncomingMessage, request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Said, startWorld, type World } from './world.ts';

let world: World;

beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());

const read = async (query: string): Promise<Said> => (await world.ask('GET', `/journal?${query}`)).json;

describe('GET /journal', () => {
  it('pages from the oldest record to the newest, each exactly once', async () => {
    for (let made = 0; made < 5; made += 1) await world.key();
    const all = await world.gateway.journal();
    const seen: Said[] = [];
    let cursor: string | null = '0';
    while (cursor !== null) {
      const page: Said = await read(`limit=2&cursor=${cursor}`);
      seen.push(...page.data);
      cursor = page.nextCursor;
    }
    expect(seen).toEqual(all.slice(0, seen.length));
    expect(seen.length).toBeGreaterThanOrEqual(6);
  });

  it('filters by kind, family, key, organisation, reason and time', async () => {
    const { id, key } = await world.key({ orgId: 'filtered' });
    await world.ask('POST', `/keys/${id}/children`, { body: { name: 'narrower wiki reader' } });
    await world.askData('POST', '/keys/mint', { key, body: {} });
    await world.ask('POST', `/keys/${id}/revoke`, { body: { reason: 'the test is over' } });
    const kinds = async (query: string) => (await read(query)).data.map(({ kind }) => kind);
    expect(await kinds(`keyId=${id}`)).toEqual(['key.minted', 'key.minted', 'admin.refused', 'key.revoked']);
    expect(await kinds(`keyId=${id}&kind=key`)).toEqual(['key.minted', 'key.minted', 'key.revoked']);
    expect(await kinds(`keyId=${id}&kind=key.revoked`)).toEqual(['key.revoked']);
    expect(await kinds(`org=filtered&reason=INSUFFICIENT_SCOPE`)).toEqual(['admin.refused']);
    expect(await kinds(`org=filtered&until=2001-01-01`)).toEqual([]);
    expect((await kinds(`org=filtered&since=2001-01-01T00:00:00Z`)).length).toBeGreaterThan(2);
    expect((await world.ask('GET', '/journal?since=yesterday')).status).toBe(422);
  });

  it('is verified by GET /journal/verify', async () => {
    expect((await world.ask('GET', '/journal/verify')).json).toMatchObject({ ok: true, faults: [] });
  });
});

describe('GET /journal?follow=true', () => {
  it('goes on as records are written: one on each line', async () => {
    const followed = await follow('/journal?follow=true&kind=key.minted', {});
    expect(followed.incoming.headers['content-type']).toBe('application/x-ndjson');
    const { id } = await world.key();
    await followed.until((text) => text.includes(id));
    const lines = followed.text().trim().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as Said).kind)).toEqual(lines.map(() => 'key.minted'));
    followed.stop();
  });

  it('speaks server-sent events, and takes up where Last-Event-ID says', async () => {
    const seq = await world.gateway.authority.journal.head();
    const { id } = await world.key();
    const followed = await follow('/journal?follow=true', { accept: 'text/event-stream', 'last-event-id': String(seq) });
    expect(followed.incoming.headers['content-type']).toBe('text/event-stream');
    await followed.until((text) => text.includes(id));
    expect(followed.text()).toContain(`id: ${seq + 1}\ndata: {`);
    followed.stop();
  });

  it('ends when the key is revoked (I3)', async () => {
    const { key, id } = await world.key({ kind: 'operator', scopes: ['read'] });
    const followed = await follow('/journal?follow=true', {}, key);
    await world.ask('POST', `/keys/${id}/revoke`);
    await followed.ended;
    expect(followed.text()).not.toContain('problem');
  });

  it('ends when the key loses the right to read', async () => {
    const { key, id } = await world.key({ kind: 'operator', scopes: ['read'] });
    const followed = await follow('/journal?follow=true', {}, key);
    await world.ask('PATCH', `/keys/${id}`, { body: { scopes: ['connect'] } });
    await followed.ended;
    expect(followed.text()).not.toContain('problem');
  });
});

async function follow(path: string, headers: Record<string, string>, key = world.operator.key) {
  const { promise: head, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const outgoing = request(`${world.gateway.adminUrl}/api/v1${path}`, {
    agent: false,
    headers: { authorization: `Bearer ${key}`, ...headers },
  });
  outgoing.on('response', resolve).on('error', reject).end();
  const incoming = await head;
  let text = '';
  incoming.on('error', () => undefined);
  const waiting = new Set<() => void>();
  incoming.on('data', (chunk: Buffer) => {
    text += chunk.toString('utf8');
    for (const look of waiting) look();
  });
  const ended = new Promise<void>((done) => incoming.once('close', done));
  return {
    incoming,
    ended,
    text: () => text,
    until(holds: (text: string) => boolean): Promise<void> {
      return new Promise((done) => {
        const look = () => {
          if (!holds(text)) return;
          waiting.delete(look);
          done();
        };
        waiting.add(look);
        look();
      });
    },
    stop: () => outgoing.destroy(),
  };
}
